#include "base/proto_reader.h"

#include <cstring>

#include "base/error.h"

namespace halftone {
namespace {

enum WireType { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

}  // namespace

void ProtoReader::fail(const std::string& what) const {
  throw InputError("{}: byte {}: {}", *where_, rest_.data() - start_, what);
}

bool ProtoReader::next() {
  if (rest_.empty()) return false;
  const uint64_t key = take_varint();
  number_ = key >> 3;
  type_ = static_cast<int>(key & 7);
  if (number_ == 0) fail("a field of number 0");
  if (type_ == kVarint) {
    value_ = take_varint();
  } else if (type_ == kBytes) {
    bytes_ = take(take_varint());
  } else if (type_ == kFixed32 || type_ == kFixed64) {
    bytes_ = take(type_ == kFixed32 ? 4 : 8);
  } else {
    fail(fmt::format("field {} has wire type {}", number_, type_));
  }
  return true;
}

void ProtoReader::expect(int type) const {
  if (type_ != type) fail(fmt::format("field {} has wire type {}, expected {}", number_, type_, type));
}

uint64_t ProtoReader::varint() const {
  expect(kVarint);
  return value_;
}

float ProtoReader::number32() const {
  expect(kFixed32);
  float value;
  std::memcpy(&value, bytes_.data(), sizeof(value));
  return value;
}

std::string_view ProtoReader::bytes() const {
  expect(kBytes);
  return bytes_;
}

ProtoReader ProtoReader::message() const {
  ProtoReader inner(bytes(), *where_);
  inner.start_ = start_;
  return inner;
}

void ProtoReader::append_to(std::vector<int64_t>& values) const {
  if (type_ == kVarint) return values.push_back(integer());
  for (ProtoReader packed = message(); !packed.rest_.empty();)
    values.push_back(static_cast<int64_t>(packed.take_varint()));
}

template <class T>
void ProtoReader::append_fixed(std::vector<T>& values, int type) const {
  if (type_ != type) expect(kBytes);
  if (bytes_.size() % sizeof(T) != 0) fail(fmt::format("field {} has {} bytes", number_, bytes_.size()));
  if (bytes_.empty()) return;
  const size_t before = values.size();
  values.resize(before + bytes_.size() / sizeof(T));
  std::memcpy(values.data() + before, bytes_.data(), bytes_.size());
}

void ProtoReader::append_to(std::vector<float>& values) const {
  append_fixed(values, kFixed32);
}
void ProtoReader::append_to(std::vector<double>& values) const {
  append_fixed(values, kFixed64);
}

uint64_t ProtoReader::take_varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(take(1)[0]);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  fail("a varint of more than 10 bytes");
}

std::string_view ProtoReader::take(uint64_t count) {
  if (count > rest_.size()) fail(fmt::format("cut off: {} bytes wanted, {} left", count, rest_.size()));
  const std::string_view part = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return part;
}

void put_proto_varint(std::string& out, uint64_t field, uint64_t value) {
  put_varint(out, field << 3 | kVarint);
  put_varint(out, value);
}

void put_proto_float(std::string& out, uint64_t field, float value) {
  put_varint(out, field << 3 | kFixed32);
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void put_proto_header(std::string& out, uint64_t field, size_t size) {
  put_varint(out, field << 3 | kBytes);
  put_varint(out, size);
}

void put_proto_bytes(std::string& out, uint64_t field, std::string_view bytes) {
  put_proto_header(out, field, bytes.size());
  out += bytes;
}

}  // namespace halftone
