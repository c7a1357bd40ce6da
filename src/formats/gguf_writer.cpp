#include "formats/gguf_writer.h"

#include <cassert>
#include <cstring>
#include <numeric>

#include "base/checked.h"
#include "base/error.h"
#include "formats/gguf_type.h"

namespace halftone {
namespace {

constexpr size_t kAlignment = 32;
constexpr uint32_t kVersion = 3;

enum ValueType : uint32_t { kUint32 = 4, kInt32 = 5, kFloat32 = 6, kBool = 7, kString = 8, kArray = 9 };

template <class T>
void append(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void append_string(std::string& bytes, std::string_view text) {
  append<uint64_t>(bytes, text.size());
  bytes += text;
}

void append_key(std::string& bytes, std::string_view key, ValueType type) {
  append_string(bytes, key);
  append<uint32_t>(bytes, type);
}

void append_array(std::string& bytes, std::string_view key, ValueType type, size_t count) {
  append_key(bytes, key, kArray);
  append<uint32_t>(bytes, type);
  append<uint64_t>(bytes, count);
}

size_t bytes_of(const PlannedGgufTensor& tensor) {
  return static_cast<size_t>(tensor.shape.elements()) / tensor.type->block * tensor.type->bytes;
}

}  // namespace

void GgufFields::add(std::string_view key, uint32_t value) {
  append_key(bytes_, key, kUint32);
  append(bytes_, value);
  ++count_;
}

void GgufFields::add(std::string_view key, float value) {
  append_key(bytes_, key, kFloat32);
  append(bytes_, value);
  ++count_;
}

void GgufFields::add(std::string_view key, bool value) {
  append_key(bytes_, key, kBool);
  append(bytes_, static_cast<uint8_t>(value));
  ++count_;
}

void GgufFields::add(std::string_view key, std::string_view value) {
  append_key(bytes_, key, kString);
  append_string(bytes_, value);
  ++count_;
}

void GgufFields::add(std::string_view key, const std::vector<std::string>& values) {
  append_array(bytes_, key, kString, values.size());
  for (const std::string& value : values) append_string(bytes_, value);
  ++count_;
}

void GgufFields::add(std::string_view key, const std::vector<float>& values) {
  append_array(bytes_, key, kFloat32, values.size());
  for (const float value : values) append(bytes_, value);
  ++count_;
}

void GgufFields::add(std::string_view key, const std::vector<int32_t>& values) {
  append_array(bytes_, key, kInt32, values.size());
  for (const int32_t value : values) append(bytes_, value);
  ++count_;
}

GgufWriter::GgufWriter(const fs::path& path, const GgufFields& fields,
                       const std::vector<PlannedGgufTensor>& tensors)
    : file_(path) {
  std::string head = "GGUF";
  append(head, kVersion);
  append<uint64_t>(head, tensors.size());
  append(head, fields.count());
  head += fields.bytes();
  uint64_t offset = 0;
  for (const PlannedGgufTensor& tensor : tensors) {
    append_string(head, tensor.name);
    append(head, static_cast<uint32_t>(tensor.shape.rank()));
    for (size_t i = tensor.shape.rank(); i-- > 0;) append(head, static_cast<uint64_t>(tensor.shape[i]));
    append(head, tensor.type->number);
    append(head, offset);
    sizes_.push_back(bytes_of(tensor));
    offset += round_up(sizes_.back(), kAlignment);
  }
  head.resize(round_up(head.size(), kAlignment), '\0');
  std::error_code error;
  const fs::space_info space = fs::space(fs::absolute(path).parent_path(), error);
  if (!error && space.available < head.size() + offset)
    throw ResourceError("{}: {} bytes are to be written, {} are free on its disk", path.string(),
                        head.size() + offset, space.available);
  file_.write(head);
}

void GgufWriter::write(std::span<const std::byte> bytes) {
  assert(tensor_ < sizes_.size() && written_ + bytes.size() <= sizes_[tensor_]);
  file_.write(bytes);
  written_ += bytes.size();
  if (written_ == sizes_[tensor_]) pad();
}

/// To where the next tensor begins.
void GgufWriter::pad() {
  file_.write(std::string(round_up(written_, kAlignment) - written_, '\0'));
  written_ = 0;
  ++tensor_;
}

void GgufWriter::finish() {
  assert(tensor_ == sizes_.size());
  file_.commit();
}

}  // namespace halftone
