#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace halftone {

/// Walks over the fields of one protobuf message, in the order they lie there, without copying or recursion.
///
/// The wire format is that of protobuf.dev/programming-guides/encoding. Everything wrong with it is an
/// InputError "WHERE: byte N: ..."; N counts from the start of the outermost message.
class ProtoReader {
 public:
  /// `bytes` and `where` ("model.onnx: not an ONNX model") must outlive the reader.
  ProtoReader(std::string_view bytes, const std::string& where)
      : rest_(bytes), where_(&where), start_(bytes.data()) {}

  /// Moves to the next field; false at the end.
  bool next();
  uint64_t number() const { return number_; }  ///< of the field

  // The field's value; one of another wire type is an InputError.
  uint64_t varint() const;
  int64_t integer() const { return static_cast<int64_t>(varint()); }
  bool flag() const { return varint() != 0; }
  float number32() const;
  std::string_view bytes() const;
  ProtoReader message() const;  ///< the field as a message of its own

  /// Appends the elements of a repeated field: one, or many in packed form.
  void append_to(std::vector<int64_t>& values) const;
  void append_to(std::vector<float>& values) const;
  void append_to(std::vector<double>& values) const;

 private:
  void expect(int type) const;
  uint64_t take_varint();
  std::string_view take(uint64_t count);
  template <class T>
  void append_fixed(std::vector<T>& values, int type) const;
  [[noreturn]] void fail(const std::string& what) const;

  std::string_view rest_;
  const std::string* where_;
  const char* start_;
  uint64_t number_ = 0;
  int type_ = 0;
  uint64_t value_ = 0;
  std::string_view bytes_;
};

/// The other way round, for small messages and tests.
void put_proto_varint(std::string& out, uint64_t field, uint64_t value);
void put_proto_float(std::string& out, uint64_t field, float value);
void put_proto_bytes(std::string& out, uint64_t field, std::string_view bytes);
/// What stands before the `size` bytes of such a field, for those who write the bytes themselves.
void put_proto_header(std::string& out, uint64_t field, size_t size);

}  // namespace halftone
