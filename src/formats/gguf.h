#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "formats/checkpoint.h"

namespace halftone {

struct GgmlType;

/// A metadata value. Integers of every width are int64_t (uint64_t where they exceed it), floats are double;
/// arrays hold one kind, booleans in arrays are 0 and 1.
struct GgufValue {
  std::variant<bool, int64_t, uint64_t, double, std::string, std::vector<int64_t>, std::vector<double>,
               std::vector<std::string>, std::vector<GgufValue>>
      data;
};

/// The key-value part of a GGUF file. Strings are bytes as they stand in the file, UTF-8 or not.
class GgufMetadata {
 public:
  explicit GgufMetadata(std::string source = {}) : source_(std::move(source)) {}

  bool contains(std::string_view key) const { return values_.find(key) != values_.end(); }

  /// The value, or nothing where the key is absent. T: bool, int64_t, double (integers convert), std::string,
  /// or a vector of int64_t, double or std::string. Throws InputError naming file and key for a value of
  /// another kind.
  template <class T>
  std::optional<T> get(std::string_view key) const;

  /// As get(), an InputError where the key is absent.
  template <class T>
  T require(std::string_view key) const;

  /// Throws InputError when the key is taken.
  void add(std::string key, GgufValue value);

  const std::string& source() const { return source_; }
  const std::map<std::string, GgufValue, std::less<>>& values() const { return values_; }

 private:
  std::string source_;
  std::map<std::string, GgufValue, std::less<>> values_;
};

struct GgufTensor {
  std::string name;
  const GgmlType* type = nullptr;
  Shape shape;       ///< slowest axis first, as everywhere here (GGUF states the fastest first)
  size_t begin = 0;  ///< bytes [begin, end) of the file
  size_t end = 0;
};

struct GgufContents {
  uint32_t version = 0;
  GgufMetadata metadata;
  std::vector<GgufTensor> tensors;  ///< by offset
  size_t metadata_end = 0;          ///< byte of the file
};

/// Checks the whole file `bytes` of GGUF version 2 or 3: counts and lengths against what is left of the file
/// before anything is allocated, no duplicate keys or names, known tensor types, aligned offsets in range
/// that do not overlap and leave no holes but padding. `source` names it in errors (InputError;
/// UnsupportedError for version 1, big-endian files and tensor types that Halftone does not read).
GgufContents parse_gguf(std::span<const std::byte> bytes, const std::string& source);

/// A mapped GGUF file.
class GgufFile {
 public:
  explicit GgufFile(const fs::path& path);

  const GgufMetadata& metadata() const { return contents_.metadata; }
  const std::vector<GgufTensor>& tensors() const { return contents_.tensors; }
  const std::shared_ptr<const MappedFile>& file() const { return file_; }
  size_t metadata_end() const { return contents_.metadata_end; }

 private:
  std::shared_ptr<const MappedFile> file_;
  GgufContents contents_;
};

/// The model in the words of Hugging Face: tensor names, config and generation_config made from the metadata,
/// q and k rows of arch "llama" back in rotate-half order, the 1 that Gemma's norm weights carry taken off
/// again. Throws UnsupportedError for an architecture or a tensor it does not know by name.
Checkpoint gguf_checkpoint(const GgufFile& file);

/// The bytes of a GGUF file of the same metadata (the vocabulary among them) and no tensors.
std::string gguf_metadata_only(const GgufFile& file);

}  // namespace halftone
