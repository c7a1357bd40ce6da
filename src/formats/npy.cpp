#include "formats/npy.h"

#include <array>
#include <charconv>
#include <cstring>

#include "base/checked.h"
#include "base/error.h"
#include "formats/mapped_tensor.h"

namespace halftone {
namespace {

struct NumpyType {
  std::string_view descr;
  DType dtype;
};
constexpr std::array<NumpyType, 12> kTypes{{{"<f4", DType::f32},
                                            {"<f2", DType::f16},
                                            {"<f8", DType::f64},
                                            {"|i1", DType::i8},
                                            {"|u1", DType::u8},
                                            {"<i2", DType::i16},
                                            {"<u2", DType::u16},
                                            {"<i4", DType::i32},
                                            {"<u4", DType::u32},
                                            {"<i8", DType::i64},
                                            {"<u8", DType::u64},
                                            {"|b1", DType::boolean}}};
constexpr std::string_view kMagic("\x93NUMPY", 6);

/// The header's text, which says of type and shape, as Python would write a dict.
class Header {
 public:
  Header(std::string_view text, const std::string& source) : text_(text), source_(source) {}

  DType dtype() const {
    const std::string_view value = after("descr");
    for (const NumpyType& type : kTypes)
      if (value.size() > 4 && value.substr(1, 3) == type.descr) return type.dtype;
    throw UnsupportedError("{}: elements of {}", source_, value.substr(0, value.find(',')));
  }

  Shape shape() const {
    if (after("fortran_order").substr(0, 5) != "False") throw UnsupportedError("{}: Fortran order", source_);
    std::string_view rest = after("shape");
    Shape shape;
    if (rest.empty() || rest[0] != '(') fail("a shape");
    rest.remove_prefix(1);
    while (true) {
      rest.remove_prefix(std::min(rest.find_first_not_of(", "), rest.size()));
      if (!rest.empty() && rest[0] == ')') return shape;
      int64_t dim = 0;
      const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), dim);
      if (error != std::errc() || dim < 0) fail("a shape");
      if (shape.rank() == Shape::kMaxRank)
        throw UnsupportedError("{}: more than {} dimensions", source_, Shape::kMaxRank);
      shape.push_back(dim);
      rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    }
  }

 private:
  std::string_view after(std::string_view key) const {
    const size_t at = text_.find(fmt::format("'{}':", key));
    if (at == std::string_view::npos) fail(key);
    const size_t value = text_.find_first_not_of(' ', at + key.size() + 3);
    return value == std::string_view::npos ? std::string_view() : text_.substr(value);
  }
  [[noreturn]] void fail(std::string_view what) const {
    throw InputError("{}: not a .npy file: its header lacks {}", source_, what);
  }

  std::string_view text_;
  const std::string& source_;
};

}  // namespace

Tensor read_npy(const fs::path& path) {
  const auto mapped = MappedFile::open(path);
  const std::string source = path.string();
  const std::string_view file(reinterpret_cast<const char*>(mapped->bytes().data()), mapped->bytes().size());
  if (file.size() < 12 || file.substr(0, 6) != kMagic)
    throw InputError("{}: not a .npy file: it does not begin as one", source);
  const bool wide = file[6] > 1;  // the header's length takes 4 bytes from version 2 on
  uint32_t length = 0;
  std::memcpy(&length, file.data() + 8, wide ? 4 : 2);
  const size_t start = wide ? 12 : 10;
  if (length > file.size() - start) throw InputError("{}: not a .npy file: the header is cut off", source);
  const Header header(file.substr(start, length), source);
  const DType dtype = header.dtype();
  const Shape shape = header.shape();
  const auto elements = shape.checked_elements();
  const auto bytes =
      elements ? checked_mul(*elements, static_cast<int64_t>(dtype_bytes(dtype))) : std::nullopt;
  const size_t found = file.size() - start - length;
  if (!bytes || static_cast<size_t>(*bytes) != found)
    throw InputError("{}: {} {} does not take {} bytes", source, dtype_name(dtype), shape.str(), found);
  return mapped_tensor(mapped, {dtype, shape, mapped->bytes().data() + start + length}, source);
}

void write_npy(const fs::path& path, const TensorView& tensor) {
  if (tensor.dtype == DType::bf16) {
    const Tensor wide = to_f32(Tensor::view_of(nullptr, tensor));
    return write_npy(path, wide.view());
  }
  std::string_view descr;
  for (const NumpyType& type : kTypes)
    if (type.dtype == tensor.dtype) descr = type.descr;
  std::string shape = "(";
  for (int64_t dim : tensor.shape) shape += fmt::format("{}, ", dim);
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}), }}", descr, shape);
  constexpr size_t kPrefix = 10, kAlignment = 64;
  header.resize(round_up(kPrefix + header.size() + 1, kAlignment) - kPrefix - 1, ' ');
  header += '\n';
  AtomicFile file(path);
  const auto length = static_cast<uint16_t>(header.size());
  std::string start = std::string(kMagic) + std::string("\1\0", 2);
  start.append(reinterpret_cast<const char*>(&length), sizeof(length));
  file.write(start + header);
  file.write(tensor.bytes());
  file.commit();
}

}  // namespace halftone
