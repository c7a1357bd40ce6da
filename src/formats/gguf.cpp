#include "formats/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>

#include "base/checked.h"
#include "formats/gguf_type.h"

namespace halftone {
namespace {

constexpr size_t kMaxKey = 65535;
constexpr int kMaxNesting = 4;
constexpr uint32_t kMaxDims = 4;
constexpr int64_t kMaxAlignment = 1 << 20;

/// Bytes of a name that may hold anything, for an error.
std::string shown(std::string_view name) {
  std::string text;
  for (char c : name.substr(0, 80)) text += c >= ' ' && c <= '~' ? c : '?';
  return text;
}

/// Reads forward through the file; every step checks what is left.
class Reader {
 public:
  Reader(std::span<const std::byte> bytes, const std::string& source) : bytes_(bytes), source_(source) {}

  size_t at() const { return at_; }
  size_t left() const { return bytes_.size() - at_; }

  template <class T>
  T number(std::string_view what) {
    need(sizeof(T), what);
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }

  /// A count of things that take at least `least` bytes each.
  size_t count(size_t least, std::string_view what) {
    const size_t place = at_;
    const auto value = number<uint64_t>(what);
    if (value > left() / least)
      throw InputError("{}: byte {}: {}: expected at most {} (the rest of the file), found {}", source_,
                       place, what, left() / least, value);
    return static_cast<size_t>(value);
  }

  std::string string(std::string_view what, size_t most = SIZE_MAX) {
    const size_t place = at_;
    const size_t length = count(1, what);
    if (length > most)
      throw InputError("{}: byte {}: {}: expected at most {} bytes, found {}", source_, place, what, most,
                       length);
    std::string text(reinterpret_cast<const char*>(bytes_.data()) + at_, length);
    at_ += length;
    return text;
  }

 private:
  void need(size_t size, std::string_view what) const {
    if (left() < size)
      throw InputError("{}: byte {}: {}: expected {} bytes, found the end of the file", source_, at_, what,
                       size);
  }

  std::span<const std::byte> bytes_;
  const std::string& source_;
  size_t at_ = 0;
};

enum class ValueKind : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

/// The value types with their bytes in the file, by number. A string takes at least its length, an array its
/// head.
constexpr size_t kValueBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};

class MetadataReader {
 public:
  MetadataReader(Reader& reader, const std::string& source, const std::string& key)
      : reader_(reader), source_(source), what_("metadata \"" + shown(key) + "\"") {}

  GgufValue value() {
    const ValueKind type = value_kind();
    switch (type) {
      case ValueKind::boolean:
        return {integer(type) != 0};
      case ValueKind::f32:
      case ValueKind::f64:
        return {real(type)};
      case ValueKind::string:
        return {reader_.string(what_)};
      case ValueKind::array:
        return array(1);
      case ValueKind::u64: {
        const auto wide = reader_.number<uint64_t>(what_);
        if (wide > INT64_MAX) return {wide};
        return {static_cast<int64_t>(wide)};
      }
      default:
        return {integer(type)};
    }
  }

 private:
  ValueKind value_kind() {
    const size_t place = reader_.at();
    const auto number = reader_.number<uint32_t>(what_);
    if (number >= std::size(kValueBytes))
      throw InputError("{}: byte {}: {}: expected a value type from 0 to {}, found {}", source_, place, what_,
                       std::size(kValueBytes) - 1, number);
    return static_cast<ValueKind>(number);
  }

  int64_t integer(ValueKind type) {
    switch (type) {
      case ValueKind::u8:
        return reader_.number<uint8_t>(what_);
      case ValueKind::i8:
        return reader_.number<int8_t>(what_);
      case ValueKind::u16:
        return reader_.number<uint16_t>(what_);
      case ValueKind::i16:
        return reader_.number<int16_t>(what_);
      case ValueKind::u32:
        return reader_.number<uint32_t>(what_);
      case ValueKind::i32:
        return reader_.number<int32_t>(what_);
      case ValueKind::boolean:
        return boolean();
      case ValueKind::u64:
        return wide();
      default:
        return reader_.number<int64_t>(what_);
    }
  }

  int64_t boolean() {
    const size_t place = reader_.at();
    const auto byte = reader_.number<uint8_t>(what_);
    if (byte > 1)
      throw InputError("{}: byte {}: {}: expected a boolean of 0 or 1, found {}", source_, place, what_,
                       byte);
    return byte;
  }

  int64_t wide() {
    const size_t place = reader_.at();
    const auto number = reader_.number<uint64_t>(what_);
    if (number > INT64_MAX)
      throw InputError("{}: byte {}: {}: expected numbers below 2^63, found {}", source_, place, what_,
                       number);
    return static_cast<int64_t>(number);
  }

  double real(ValueKind type) {
    return type == ValueKind::f32 ? static_cast<double>(reader_.number<float>(what_))
                                  : reader_.number<double>(what_);
  }

  GgufValue array(int depth) {
    const ValueKind type = value_kind();
    const size_t count = reader_.count(kValueBytes[static_cast<size_t>(type)], what_);
    switch (type) {
      case ValueKind::f32:
      case ValueKind::f64:
        return filled<double>(count, [&] { return real(type); });
      case ValueKind::string:
        return filled<std::string>(count, [&] { return reader_.string(what_); });
      case ValueKind::array:
        if (depth == kMaxNesting)
          throw InputError("{}: {}: arrays are nested deeper than {}", source_, what_, kMaxNesting);
        return filled<GgufValue>(count, [&] { return array(depth + 1); });
      default:
        return filled<int64_t>(count, [&] { return integer(type); });
    }
  }

  template <class T, class Next>
  static GgufValue filled(size_t count, Next next) {
    std::vector<T> values;
    values.reserve(count);
    for (size_t i = 0; i < count; ++i) values.push_back(next());
    return {std::move(values)};
  }

  Reader& reader_;
  const std::string& source_;
  std::string what_;
};

uint32_t read_version(Reader& reader, const std::string& source) {
  const auto magic = reader.number<uint32_t>("magic");
  constexpr uint32_t kMagic = 'G' | 'G' << 8 | 'U' << 16 | 'F' << 24;
  if (magic != kMagic) throw InputError("{}: byte 0: expected \"GGUF\", found {:#010x}", source, magic);
  const auto version = reader.number<uint32_t>("version");
  if (version == 2 || version == 3) return version;
  if (version == 1)
    throw UnsupportedError("{}: GGUF version 1, whose counts have 32 bits; versions 2 and 3 are read",
                           source);
  if ((version & 0xffff) == 0 && version != 0)
    throw UnsupportedError("{}: a big-endian GGUF file; little-endian ones are read", source);
  throw InputError("{}: byte 4: expected GGUF version 2 or 3, found {}", source, version);
}

size_t read_alignment(const GgufMetadata& metadata) {
  const int64_t alignment = metadata.get<int64_t>("general.alignment").value_or(32);
  if (alignment < 1 || alignment > kMaxAlignment || !std::has_single_bit(static_cast<uint64_t>(alignment)))
    throw InputError("{}: metadata \"general.alignment\": expected a power of two up to {}, found {}",
                     metadata.source(), kMaxAlignment, alignment);
  return static_cast<size_t>(alignment);
}

/// A tensor as its entry tells it: `begin` counts from where the data begin, `end` is its size.
GgufTensor read_tensor(Reader& reader, const std::string& source) {
  GgufTensor tensor;
  tensor.name = reader.string("tensor name", kMaxKey);
  const std::string where = fmt::format("{}: tensor \"{}\"", source, shown(tensor.name));
  const auto rank = reader.number<uint32_t>("tensor rank");
  if (rank < 1 || rank > kMaxDims)
    throw InputError("{}: expected 1 to {} dimensions, found {}", where, kMaxDims, rank);
  std::vector<int64_t> dims;
  for (uint32_t i = 0; i < rank; ++i) {
    const auto dim = reader.number<uint64_t>("tensor shape");
    if (dim < 1 || dim > INT64_MAX)
      throw InputError("{}: dimension {}: expected 1 to 2^63 - 1, found {}", where, i, dim);
    dims.push_back(static_cast<int64_t>(dim));
  }
  std::reverse(dims.begin(), dims.end());
  tensor.shape = Shape(dims);
  tensor.type = &ggml_type(reader.number<uint32_t>("tensor type"), where);
  const auto block = static_cast<int64_t>(tensor.type->block);
  if (tensor.shape.back() % block != 0)
    throw InputError("{}: shape {}: rows of {} come in blocks of {}", where, tensor.shape.str(),
                     tensor.type->name, block);
  const auto elements = tensor.shape.checked_elements();
  const auto size =
      elements ? checked_mul(*elements / block, static_cast<int64_t>(tensor.type->bytes)) : std::nullopt;
  if (!size || !checked_mul(*elements, int64_t{16}))
    throw InputError("{}: shape {} is too large", where, tensor.shape.str());
  tensor.end = static_cast<size_t>(*size);
  tensor.begin = static_cast<size_t>(reader.number<uint64_t>("tensor offset"));
  return tensor;
}

/// Makes `begin` and `end` bytes of the file, after checking that they lie in it.
void place(GgufTensor& tensor, size_t data_begin, size_t file_size, size_t alignment,
           const std::string& source) {
  const std::string where = fmt::format("{}: tensor \"{}\"", source, shown(tensor.name));
  if (tensor.begin % alignment != 0)
    throw InputError("{}: offset {} is not a multiple of the alignment {}", where, tensor.begin, alignment);
  const size_t room = file_size > data_begin ? file_size - data_begin : 0;
  const auto end = checked_add(tensor.begin, tensor.end);
  if (!end || *end > room)
    throw InputError("{}: {} bytes at offset {} do not lie in the file's {} data bytes", where, tensor.end,
                     tensor.begin, room);
  tensor.end = data_begin + *end;
  tensor.begin += data_begin;
}

void check_layout(const std::vector<GgufTensor>& tensors, size_t data_begin, size_t alignment,
                  const std::string& source) {
  size_t end = data_begin;
  for (const GgufTensor& tensor : tensors) {
    if (tensor.begin < end)
      throw InputError("{}: tensor \"{}\": its bytes overlap those of the tensor before it", source,
                       shown(tensor.name));
    if (tensor.begin - end >= alignment)
      throw InputError("{}: tensor \"{}\": {} bytes before it belong to no tensor", source,
                       shown(tensor.name), tensor.begin - end);
    end = tensor.end;
  }
}

template <class T>
constexpr std::string_view kind_name() {
  if constexpr (std::is_same_v<T, bool>) return "a boolean";
  if constexpr (std::is_same_v<T, int64_t>) return "an integer";
  if constexpr (std::is_same_v<T, double>) return "a number";
  if constexpr (std::is_same_v<T, std::string>) return "a string";
  if constexpr (std::is_same_v<T, std::vector<int64_t>>) return "an array of integers";
  if constexpr (std::is_same_v<T, std::vector<double>>) return "an array of floats";
  if constexpr (std::is_same_v<T, std::vector<std::string>>) return "an array of strings";
}

constexpr std::string_view kKinds[] = {
    "a boolean",         "an integer",           "an integer beyond 2^63 - 1", "a float",
    "a string",          "an array of integers", "an array of floats",         "an array of strings",
    "an array of arrays"};

}  // namespace

template <class T>
std::optional<T> GgufMetadata::get(std::string_view key) const {
  auto found = values_.find(key);
  if (found == values_.end()) return std::nullopt;
  const auto& data = found->second.data;
  if (const T* value = std::get_if<T>(&data)) return *value;
  if constexpr (std::is_same_v<T, double>)
    if (const int64_t* whole = std::get_if<int64_t>(&data)) return static_cast<double>(*whole);
  throw InputError("{}: metadata \"{}\": expected {}, found {}", source_, key, kind_name<T>(),
                   kKinds[data.index()]);
}

template <class T>
T GgufMetadata::require(std::string_view key) const {
  auto value = get<T>(key);
  if (!value) throw InputError("{}: metadata \"{}\" is missing", source_, key);
  return *std::move(value);
}

#define HALFTONE_GGUF_GETTERS(...)                                                   \
  template std::optional<__VA_ARGS__> GgufMetadata::get(std::string_view key) const; \
  template __VA_ARGS__ GgufMetadata::require(std::string_view key) const;
HALFTONE_GGUF_GETTERS(bool)
HALFTONE_GGUF_GETTERS(int64_t)
HALFTONE_GGUF_GETTERS(double)
HALFTONE_GGUF_GETTERS(std::string)
HALFTONE_GGUF_GETTERS(std::vector<int64_t>)
HALFTONE_GGUF_GETTERS(std::vector<double>)
HALFTONE_GGUF_GETTERS(std::vector<std::string>)
#undef HALFTONE_GGUF_GETTERS

void GgufMetadata::add(std::string key, GgufValue value) {
  const auto [at, fresh] = values_.emplace(std::move(key), std::move(value));
  if (!fresh) throw InputError("{}: metadata \"{}\" appears twice", source_, shown(at->first));
}

GgufContents parse_gguf(std::span<const std::byte> bytes, const std::string& source) {
  constexpr size_t kLeastTensor = 8 + 4 + 8 + 4 + 8;
  constexpr size_t kLeastEntry = 8 + 4 + 1;
  Reader reader(bytes, source);
  GgufContents contents;
  contents.version = read_version(reader, source);
  const size_t tensors = reader.count(kLeastTensor, "number of tensors");
  const size_t entries = reader.count(kLeastEntry, "number of metadata entries");
  contents.metadata = GgufMetadata(source);
  for (size_t i = 0; i < entries; ++i) {
    std::string key = reader.string("metadata key", kMaxKey);
    GgufValue value = MetadataReader(reader, source, key).value();
    contents.metadata.add(std::move(key), std::move(value));
  }

  contents.metadata_end = reader.at();

  std::set<std::string> names;
  for (size_t i = 0; i < tensors; ++i) {
    const GgufTensor& tensor = contents.tensors.emplace_back(read_tensor(reader, source));
    if (!names.insert(tensor.name).second)
      throw InputError("{}: tensor \"{}\" appears twice", source, shown(tensor.name));
  }
  const size_t alignment = read_alignment(contents.metadata);
  const size_t data_begin = round_up(reader.at(), alignment);
  for (GgufTensor& tensor : contents.tensors) place(tensor, data_begin, bytes.size(), alignment, source);
  std::sort(contents.tensors.begin(), contents.tensors.end(),
            [](const GgufTensor& a, const GgufTensor& b) { return a.begin < b.begin; });
  check_layout(contents.tensors, data_begin, alignment, source);
  return contents;
}

GgufFile::GgufFile(const fs::path& path)
    : file_(MappedFile::open(path)), contents_(parse_gguf(file_->bytes(), path.string())) {}

std::string gguf_metadata_only(const GgufFile& file) {
  constexpr size_t kTensorCount = 8;  // the byte where their number stands
  const std::span<const std::byte> bytes = file.file()->bytes().first(file.metadata_end());
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  text.replace(kTensorCount, sizeof(uint64_t), sizeof(uint64_t), '\0');
  return text;
}

}  // namespace halftone
