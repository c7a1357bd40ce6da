#include "formats/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include "base/checked.h"
#include "formats/mapped_tensor.h"

namespace halftone {
namespace {

constexpr uint64_t kMaxHeader = 100'000'000;

struct StoredDType {
  std::string_view name;
  DType dtype;
};

constexpr std::array kStoredDTypes = {
    StoredDType{"F32", DType::f32},      StoredDType{"F16", DType::f16},    StoredDType{"BF16", DType::bf16},
    StoredDType{"F64", DType::f64},      StoredDType{"I8", DType::i8},      StoredDType{"U8", DType::u8},
    StoredDType{"I16", DType::i16},      StoredDType{"U16", DType::u16},    StoredDType{"I32", DType::i32},
    StoredDType{"U32", DType::u32},      StoredDType{"I64", DType::i64},    StoredDType{"U64", DType::u64},
    StoredDType{"BOOL", DType::boolean}, StoredDType{"F8_E4M3", DType::u8}, StoredDType{"F8_E5M2", DType::u8},
    StoredDType{"F8_E8M0", DType::u8},
};

/// A header's place in words: what all errors begin with.
struct Place {
  const std::string& source;
  const std::string& tensor;

  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw InputError("{}: tensor \"{}\": {}", source, tensor,
                     fmt::format(format, std::forward<Args>(args)...));
  }
};

std::string shown(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 80);
}

DType parse_dtype(const Json& entry, const Place& place) {
  auto found = entry.find("dtype");
  if (found == entry.end() || !found->is_string())
    place.fail("expected a \"dtype\" string, found {}", shown(entry));
  const std::string name = found->get<std::string>();
  for (const StoredDType& stored : kStoredDTypes)
    if (stored.name == name) return stored.dtype;
  throw UnsupportedError("{}: tensor \"{}\": dtype {} is not one that Halftone reads", place.source,
                         place.tensor, shown(*found));
}

/// Non-negative integers that fit int64_t.
std::vector<int64_t> parse_sizes(const Json& entry, const char* key, const Place& place) {
  auto found = entry.find(key);
  if (found == entry.end() || !found->is_array())
    place.fail("expected a \"{}\" list, found {}", key, shown(entry));
  std::vector<int64_t> sizes;
  for (const Json& size : *found) {
    if (!size.is_number_unsigned() || size.get<uint64_t>() > INT64_MAX)
      place.fail("\"{}\" should hold sizes, found {}", key, shown(size));
    sizes.push_back(size.get<int64_t>());
  }
  return sizes;
}

SafetensorsEntry parse_entry(const std::string& name, const Json& json, size_t data_begin, size_t file_size,
                             const std::string& source) {
  const Place place{source, name};
  if (!json.is_object()) place.fail("expected an object, found {}", shown(json));
  SafetensorsEntry entry;
  entry.name = name;
  entry.dtype = parse_dtype(json, place);
  const std::vector<int64_t> dims = parse_sizes(json, "shape", place);
  if (dims.size() > static_cast<size_t>(Shape::kMaxRank))
    throw UnsupportedError("{}: tensor \"{}\": {} dimensions, Halftone handles {}", source, name, dims.size(),
                           Shape::kMaxRank);
  entry.shape = Shape(dims);
  const std::optional<int64_t> elements = entry.shape.checked_elements();
  const std::optional<int64_t> size =
      elements ? checked_mul(*elements, static_cast<int64_t>(dtype_bytes(entry.dtype))) : std::nullopt;
  if (!size) place.fail("shape {} is too large", entry.shape.str());

  const std::vector<int64_t> offsets = parse_sizes(json, "data_offsets", place);
  if (offsets.size() != 2) place.fail("\"data_offsets\" should hold 2 numbers, found {}", offsets.size());
  const auto limit = static_cast<int64_t>(file_size - data_begin);
  if (offsets[0] > offsets[1] || offsets[1] > limit)
    place.fail("data offsets [{}, {}] do not lie in the file's {} data bytes", offsets[0], offsets[1], limit);
  if (offsets[1] - offsets[0] != *size)
    place.fail("{} {} takes {} bytes, its data offsets span {}", dtype_name(entry.dtype), entry.shape.str(),
               *size, offsets[1] - offsets[0]);
  entry.begin = data_begin + static_cast<size_t>(offsets[0]);
  entry.end = data_begin + static_cast<size_t>(offsets[1]);
  return entry;
}

void check_coverage(const std::vector<SafetensorsEntry>& entries, size_t data_begin, size_t file_size,
                    const std::string& source) {
  size_t at = data_begin;
  for (const SafetensorsEntry& entry : entries) {
    if (entry.begin < at) Place{source, entry.name}.fail("its bytes overlap those of the tensor before it");
    if (entry.begin > at)
      Place{source, entry.name}.fail("{} bytes before it belong to no tensor", entry.begin - at);
    at = entry.end;
  }
  if (at != file_size)
    throw InputError("{}: {} bytes after the last tensor belong to no tensor", source, file_size - at);
}

std::map<std::string, std::string> parse_metadata(const Json& json, const std::string& source) {
  std::map<std::string, std::string> metadata;
  if (!json.is_object())
    throw InputError("{}: \"__metadata__\" should be an object, found {}", source, shown(json));
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string())
      throw InputError("{}: \"__metadata__\": \"{}\" should be a string, found {}", source, key,
                       shown(value));
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

}  // namespace

SafetensorsHeader parse_safetensors(std::span<const std::byte> bytes, const std::string& source) {
  uint64_t length = 0;
  if (bytes.size() < sizeof(length))
    throw InputError("{}: expected a safetensors file of at least 8 bytes, found {}", source, bytes.size());
  std::memcpy(&length, bytes.data(), sizeof(length));
  const size_t room = bytes.size() - sizeof(length);
  if (length > kMaxHeader || length > room)
    throw InputError("{}: byte 0: the header should take at most {} bytes, found a length of {}", source,
                     std::min<uint64_t>(kMaxHeader, room), length);
  const size_t data_begin = sizeof(length) + static_cast<size_t>(length);
  const Json json =
      parse_json({reinterpret_cast<const char*>(bytes.data()) + sizeof(length), length}, source + ": header");
  if (!json.is_object())
    throw InputError("{}: the header should be a JSON object, found {}", source, shown(json));

  SafetensorsHeader header;
  for (const auto& [name, value] : json.items()) {
    if (name == "__metadata__")
      header.metadata = parse_metadata(value, source);
    else
      header.entries.push_back(parse_entry(name, value, data_begin, bytes.size(), source));
  }
  std::stable_sort(header.entries.begin(), header.entries.end(), [](const auto& a, const auto& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_coverage(header.entries, data_begin, bytes.size(), source);
  return header;
}

void add_safetensors(Checkpoint& checkpoint, const fs::path& path) {
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  SafetensorsHeader header = parse_safetensors(file->bytes(), path.string());
  for (SafetensorsEntry& entry : header.entries) {
    Constant constant = mapped_constant(file, {entry.dtype, entry.shape, file->bytes().data() + entry.begin},
                                        fmt::format("{}: tensor \"{}\"", path.string(), entry.name));
    checkpoint.add(std::move(entry.name), std::move(constant));
  }
  checkpoint.metadata.merge(header.metadata);
}

void add_safetensors_folder(Checkpoint& checkpoint, const fs::path& folder, const std::string& stem) {
  const fs::path single = folder / (stem + ".safetensors");
  const fs::path index_path = folder / (stem + ".safetensors.index.json");
  if (fs::exists(single)) return add_safetensors(checkpoint, single);
  if (!fs::exists(index_path))
    throw InputError("{}: neither {} nor {} is there", folder.string(), single.filename().string(),
                     index_path.filename().string());

  const std::string source = index_path.string();
  const auto weight_map = json_get<std::map<std::string, Json>>(read_json(index_path), "weight_map", source);
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [name, shard] : weight_map) {
    if (!shard.is_string())
      throw InputError("{}: tensor \"{}\": expected a file name, found {}", source, name, shown(shard));
    const std::string file = shard.get<std::string>();
    if (file.empty() || file == "." || file == ".." ||
        file.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos)
      throw InputError("{}: tensor \"{}\": expected the name of a file beside the index, found {}", source,
                       name, shown(shard));
    shards[file].push_back(name);
  }
  for (const auto& [shard, names] : shards)
    if (!fs::exists(folder / shard))
      throw InputError("{}: shard {} is missing ({} of the index's {} tensors)", folder.string(), shard,
                       names.size(), weight_map.size());
  for (const auto& [shard, names] : shards) {
    const size_t before = checkpoint.names().size();
    add_safetensors(checkpoint, folder / shard);
    const std::set<std::string> found(checkpoint.names().begin() + static_cast<ptrdiff_t>(before),
                                      checkpoint.names().end());
    for (const std::string& name : names)
      if (!found.count(name))
        throw InputError("{}: tensor \"{}\" should be in {}, which does not hold it", source, name, shard);
  }
}

}  // namespace halftone
