#include "formats/onnx/onnx_tensor.h"

#include <charconv>
#include <limits>

#include "base/checked.h"
#include "base/error.h"
#include "formats/mapped_tensor.h"
#include "ops/elementwise.h"
#include "ops/onnx_type.h"

namespace halftone {
namespace {

/// Bytes of a tensor of that type and shape, which came from outside.
size_t checked_bytes(DType dtype, const Shape& shape, const std::string& where) {
  const auto elements = shape.checked_elements();
  const auto bytes =
      elements ? checked_mul(*elements, static_cast<int64_t>(dtype_bytes(dtype))) : std::nullopt;
  if (!bytes) throw InputError("{}: shape {} has too many elements", where, shape.str());
  return static_cast<size_t>(*bytes);
}

template <class T>
T element_from(int64_t value, const std::string& where) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
    if (value < 0 || value > 0xffff) throw InputError("{}: {} is no 16-bit pattern", where, value);
    return T{static_cast<uint16_t>(value)};
  } else if constexpr (std::is_same_v<T, uint64_t>) {
    return static_cast<uint64_t>(value);
  } else {
    if (value < static_cast<int64_t>(std::numeric_limits<T>::min()) ||
        value > static_cast<int64_t>(std::numeric_limits<T>::max()))
      throw InputError("{}: {} does not fit {}", where, value, dtype_name(DTypeOf<T>::value));
    return static_cast<T>(value);
  }
}

template <class T>
void check_count(const std::vector<T>& values, const Shape& shape, const std::string& where) {
  if (static_cast<int64_t>(values.size()) != shape.elements())
    throw InputError("{}: shape {} has {} elements, found {}", where, shape.str(), shape.elements(),
                     values.size());
}

Tensor from_lists(const OnnxTensor& listed, DType dtype, const Shape& shape, const std::string& where) {
  if (dtype == DType::f32) {
    check_count(listed.floats, shape, where);
    return Tensor::from<float>(shape, listed.floats);
  }
  if (dtype == DType::f64) {
    check_count(listed.doubles, shape, where);
    return Tensor::from<double>(shape, listed.doubles);
  }
  check_count(listed.ints, shape, where);
  Tensor tensor = Tensor::allocate(dtype, shape);
  const auto fill = [&](auto zero) {
    using T = decltype(zero);
    const auto to = tensor.mutable_view().span<T>();
    if constexpr (!std::is_floating_point_v<T>)
      for (size_t i = 0; i < to.size(); ++i) to[i] = element_from<T>(listed.ints[i], where);
  };
  if (dtype == DType::boolean)
    fill(bool{});
  else
    visit_number(dtype, fill);
  return tensor;
}

uint64_t parse_number(std::string_view text, std::string_view key, const std::string& where) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    throw InputError("{}: external data: {} should be a number of bytes, found \"{}\"", where, key, text);
  return value;
}

}  // namespace

Constant OnnxTensorReader::constant(const OnnxTensor& tensor) {
  const std::string where = fmt::format("{}: tensor \"{}\"", file_->path().string(), tensor.name);
  const auto dtype = dtype_from_onnx(tensor.data_type);
  if (!dtype) throw UnsupportedError("{}: elements of {}", where, onnx_type_name(tensor.data_type));
  for (int64_t dim : tensor.dims)
    if (dim < 0) throw InputError("{}: a dimension of {}", where, dim);
  if (tensor.dims.size() > Shape::kMaxRank)
    throw UnsupportedError("{}: {} dimensions, at most {} are handled", where, tensor.dims.size(),
                           Shape::kMaxRank);
  const Shape shape(tensor.dims);
  const size_t bytes = checked_bytes(*dtype, shape, where);
  if (tensor.is_external) return external(tensor, *dtype, shape, where);
  if (!tensor.raw) return Constant(from_lists(tensor, *dtype, shape, where));
  if (tensor.raw->size() != bytes)
    throw InputError("{}: {} {} takes {} bytes, found {}", where, dtype_name(*dtype), shape.str(), bytes,
                     tensor.raw->size());
  return mapped_constant(file_, {*dtype, shape, reinterpret_cast<const std::byte*>(tensor.raw->data())},
                         where);
}

Constant OnnxTensorReader::external(const OnnxTensor& tensor, DType dtype, const Shape& shape,
                                    const std::string& where) {
  std::string_view location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
  for (const auto& [key, value] : tensor.external) {
    if (key == "location") location = value;
    if (key == "offset") offset = parse_number(value, key, where);
    if (key == "length") length = parse_number(value, key, where);
  }
  const size_t bytes = checked_bytes(dtype, shape, where);
  if (length && *length != bytes)
    throw InputError("{}: {} {} takes {} bytes, its external data {}", where, dtype_name(dtype), shape.str(),
                     bytes, *length);
  const std::shared_ptr<const MappedFile>& data = data_file(location, where);
  const size_t size = data->bytes().size();
  if (offset > size || bytes > size - offset)
    throw InputError("{}: external data: {} bytes from byte {} on, but {} has {}", where, bytes, offset,
                     data->path().string(), size);
  return mapped_constant(data, {dtype, shape, data->bytes().data() + offset}, where);
}

/// The file must lie in the model's folder, or, where the model is reached over a symbolic link, in the
/// folder that the link leads to.
const std::shared_ptr<const MappedFile>& OnnxTensorReader::data_file(std::string_view location,
                                                                     const std::string& where) {
  if (auto known = data_files_.find(location); known != data_files_.end()) return known->second;
  const fs::path given(location);
  if (location.empty() || location.find('\0') != std::string_view::npos || given.is_absolute() ||
      std::find(given.begin(), given.end(), "..") != given.end())
    throw InputError("{}: external data: expected a path inside the model's folder, found \"{}\"", where,
                     location);
  const fs::path path = file_->path().parent_path() / given;
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  if (error) throw InputError("{}: external data: {}: {}", where, path.string(), error.message());
  const auto lies_in = [&](const fs::path& folder) {
    const fs::path inside = real.lexically_relative(fs::canonical(folder, error));
    return !inside.empty() && *inside.begin() != "..";
  };
  const fs::path own = file_->path().has_parent_path() ? file_->path().parent_path() : fs::path(".");
  if (!lies_in(own) && !lies_in(fs::canonical(file_->path(), error).parent_path()))
    throw InputError("{}: external data: {} leads out of the model's folder", where, path.string());
  if (!fs::is_regular_file(real, error))
    throw InputError("{}: external data: {} is no file", where, path.string());
  return data_files_.emplace(location, MappedFile::open(path)).first->second;
}

}  // namespace halftone
