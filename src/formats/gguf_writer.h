#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "core/shape.h"

namespace halftone {

struct GgmlType;

/// The key-value part of a GGUF file being made. Keys must be new.
class GgufFields {
 public:
  void add(std::string_view key, uint32_t value);
  void add(std::string_view key, float value);
  void add(std::string_view key, bool value);
  void add(std::string_view key, std::string_view value);
  void add(std::string_view key, const char* value) { add(key, std::string_view(value)); }
  void add(std::string_view key, const std::vector<std::string>& values);
  void add(std::string_view key, const std::vector<float>& values);
  void add(std::string_view key, const std::vector<int32_t>& values);

  uint64_t count() const { return count_; }
  const std::string& bytes() const { return bytes_; }

 private:
  uint64_t count_ = 0;
  std::string bytes_;
};

struct PlannedGgufTensor {
  std::string name;
  const GgmlType* type = nullptr;
  Shape shape;  ///< slowest axis first
};

/// Writes one GGUF file of version 3 in order, so that no tensor need be in memory with another. Nothing is
/// at `path` before finish(). Throws ResourceError where the disk has no room.
class GgufWriter {
 public:
  GgufWriter(const fs::path& path, const GgufFields& fields, const std::vector<PlannedGgufTensor>& tensors);

  /// The next bytes of the tensors, in their order.
  void write(std::span<const std::byte> bytes);
  void finish();

 private:
  void pad();

  AtomicFile file_;
  std::vector<size_t> sizes_;  ///< of the tensors, in bytes
  size_t tensor_ = 0;          ///< the one being written
  size_t written_ = 0;         ///< bytes of it
};

}  // namespace halftone
