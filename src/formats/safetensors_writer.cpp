#include <algorithm>
#include <cassert>
#include <cstring>
#include <numeric>

#include "base/checked.h"
#include "base/write_file.h"
#include "formats/safetensors.h"

namespace halftone {
namespace {

const char* stored_name(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "F32";
    case DType::f16:
      return "F16";
    case DType::bf16:
      return "BF16";
    case DType::f64:
      return "F64";
    case DType::i8:
      return "I8";
    case DType::u8:
      return "U8";
    case DType::i16:
      return "I16";
    case DType::u16:
      return "U16";
    case DType::i32:
      return "I32";
    case DType::u32:
      return "U32";
    case DType::i64:
      return "I64";
    case DType::u64:
      return "U64";
    case DType::boolean:
      return "BOOL";
    case DType::state:
      break;
  }
  assert(!"a state has no bytes");
  return "";
}

size_t size_of(const PlannedTensor& tensor) {
  return static_cast<size_t>(tensor.shape.elements()) * dtype_bytes(tensor.dtype);
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(fs::path folder, std::string stem, std::vector<PlannedTensor> plan,
                                     std::map<std::string, std::string> metadata, size_t shard_bytes)
    : folder_(std::move(folder)),
      stem_(std::move(stem)),
      plan_(std::move(plan)),
      metadata_(std::move(metadata)),
      shard_bytes_(shard_bytes) {
  place();
  size_t total = 0;
  for (const PlannedTensor& tensor : plan_) total += size_of(tensor);
  std::error_code error;
  const fs::space_info space = fs::space(folder_, error);
  if (!error && space.available < total)
    throw ResourceError("{}: {} bytes are to be written, {} are free on its disk", folder_.string(), total,
                        space.available);
}

SafetensorsWriter::~SafetensorsWriter() = default;

/// Deals the tensors out to shards in the plan's order and lays each shard out by falling element size.
void SafetensorsWriter::place() {
  std::vector<std::vector<size_t>> shards(1);
  size_t filled = 0;
  for (size_t i = 0; i < plan_.size(); ++i) {
    if (filled > 0 && filled + size_of(plan_[i]) > shard_bytes_) {
      shards.emplace_back();
      filled = 0;
    }
    shards.back().push_back(i);
    filled += size_of(plan_[i]);
  }

  slots_.resize(plan_.size());
  for (size_t shard = 0; shard < shards.size(); ++shard) {
    std::vector<size_t>& order = shards[shard];
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return dtype_bytes(plan_[a].dtype) > dtype_bytes(plan_[b].dtype);
    });
    OrderedJson header = OrderedJson::object();
    if (!metadata_.empty()) header["__metadata__"] = metadata_;
    size_t offset = 0;
    for (size_t i : order) {
      const PlannedTensor& tensor = plan_[i];
      slots_[i] = {shard, offset};
      header[tensor.name] = {
          {"dtype", tensor.stored_as.empty() ? stored_name(tensor.dtype) : tensor.stored_as},
          {"shape", std::vector<int64_t>(tensor.shape.begin(), tensor.shape.end())},
          {"data_offsets", {offset, offset + size_of(tensor)}}};
      offset += size_of(tensor);
    }
    std::string text = header.dump();
    text.resize(round_up<size_t>(text.size() + sizeof(uint64_t), 64) - sizeof(uint64_t), ' ');
    const uint64_t length = text.size();
    std::string& prefixed = headers_.emplace_back(sizeof(length), '\0');
    std::memcpy(prefixed.data(), &length, sizeof(length));
    prefixed += text;
    for (size_t i : order) slots_[i].offset += headers_.back().size();
  }
}

std::string SafetensorsWriter::shard_name(size_t shard) const {
  return headers_.size() == 1
             ? stem_ + ".safetensors"
             : fmt::format("{}-{:05}-of-{:05}.safetensors", stem_, shard + 1, headers_.size());
}

void SafetensorsWriter::open_shard(size_t shard) {
  if (file_) file_->commit();
  file_ = std::make_unique<AtomicFile>(folder_ / shard_name(shard));
  file_->write(headers_[shard]);
}

void SafetensorsWriter::write(const std::string& name, const TensorView& tensor) {
  assert(next_ < plan_.size() && plan_[next_].name == name && plan_[next_].dtype == tensor.dtype &&
         plan_[next_].shape == tensor.shape);
  const Slot& slot = slots_[next_];
  if (!file_ || slot.shard != slots_[next_ - 1].shard) open_shard(slot.shard);
  file_->seek(slot.offset);
  file_->write(tensor.bytes());
  ++next_;
}

void SafetensorsWriter::finish() {
  assert(next_ == plan_.size());
  if (!file_) open_shard(0);
  file_->commit();
  file_ = nullptr;
  if (headers_.size() == 1) return;
  OrderedJson index;
  size_t total = 0;
  for (const PlannedTensor& tensor : plan_) total += size_of(tensor);
  index["metadata"]["total_size"] = total;
  for (size_t i = 0; i < plan_.size(); ++i) index["weight_map"][plan_[i].name] = shard_name(slots_[i].shard);
  write_file(folder_ / (stem_ + ".safetensors.index.json"), index.dump(2) + "\n");
}

}  // namespace halftone
