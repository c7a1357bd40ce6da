#pragma once

#include <cstring>
#include <map>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "core/tensor.h"

namespace halftone {

/// Reads a .npy file (NumPy's format 1.0 to 3.0) of little-endian f4, f8, i4, i8 or u1 in C order, for tests.
/// Throws InputError.
inline Tensor read_npy(const fs::path& path) {
  const std::string file = read_text(path);
  auto bad = [&](const std::string& what) { return InputError("{}: {}", path.string(), what); };
  if (file.size() < 12 || file.compare(0, 6, "\x93NUMPY") != 0) throw bad("not a .npy file");
  const bool wide = file[6] > 1;  // the header's length takes 4 bytes from version 2 on
  uint32_t length = 0;
  std::memcpy(&length, file.data() + 8, wide ? 4 : 2);
  const size_t start = wide ? 12 : 10;
  if (length > file.size() - start) throw bad("the header is cut off");
  const std::string header = file.substr(start, length);

  static const std::map<std::string, DType> types = {
      {"<f4", DType::f32}, {"<f8", DType::f64}, {"<i4", DType::i32}, {"<i8", DType::i64}, {"|u1", DType::u8}};
  auto after = [&](const std::string& key) {
    const size_t at = header.find("'" + key + "':");
    if (at == std::string::npos) throw bad("no " + key);
    return header.substr(header.find_first_not_of(' ', at + key.size() + 3));
  };
  const std::string descr = after("descr").substr(1, 3);
  if (types.count(descr) == 0) throw bad("element type " + descr);
  if (after("fortran_order").compare(0, 5, "False") != 0) throw bad("Fortran order");
  Shape shape;
  const std::string text = after("shape");
  for (size_t at = 1; at < text.size() && text[at] != ')';) {
    size_t used = 0;
    shape.push_back(std::stoll(text.substr(at), &used));
    at = text.find_first_not_of(", ", at + used);
  }

  const size_t bytes = static_cast<size_t>(shape.elements()) * dtype_bytes(types.at(descr));
  if (file.size() - start - length != bytes) throw bad("the data has another size than the shape");
  Tensor tensor = Tensor::allocate(types.at(descr), shape);
  std::memcpy(tensor.mutable_view().data, file.data() + start + length, bytes);
  return tensor;
}

}  // namespace halftone
