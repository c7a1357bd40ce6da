#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "formats/checkpoint.h"

namespace halftone {

/// One tensor of a safetensors file. fp8 and other one-byte formats come as raw u8.
struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  size_t begin = 0;  ///< bytes [begin, end) of the file
  size_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  ///< by offset
  std::map<std::string, std::string> metadata;
};

/// Checks the header of the whole file `bytes`: its length (at most 100 MB and inside the file), each entry's
/// dtype and span (dtype x shape exactly), spans that follow one another without overlap or hole up to the
/// end of the file. `source` names the file in errors (InputError; UnsupportedError for dtypes that have no
/// whole bytes).
SafetensorsHeader parse_safetensors(std::span<const std::byte> bytes, const std::string& source);

/// The tensors and metadata of one mapped file join `checkpoint`.
void add_safetensors(Checkpoint& checkpoint, const fs::path& file);

/// All tensors under `folder`: of `STEM.safetensors`, else of the shards that `STEM.safetensors.index.json`
/// names. Missing shards, and tensors that are not where the index says, are an InputError.
void add_safetensors_folder(Checkpoint& checkpoint, const fs::path& folder,
                            const std::string& stem = "model");

/// One tensor to be written.
struct PlannedTensor {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  std::string_view stored_as{};  ///< "F8_E4M3": what the file calls bytes that are no u8 numbers
};

/// Writes tensors one after another, so that only one need be in memory: all are announced first.
///
/// One file STEM.safetensors, or, above `shard_bytes`, STEM-00001-of-0000N.safetensors and their index. Each
/// file appears under its name when it is whole; write inside an AtomicFolder where all must appear together.
/// In a file, tensors of wider elements come first, so that each is aligned. Throws ResourceError when the
/// disk is full.
class SafetensorsWriter {
 public:
  static constexpr size_t kShardBytes = 5'000'000'000;

  SafetensorsWriter(fs::path folder, std::string stem, std::vector<PlannedTensor> plan,
                    std::map<std::string, std::string> metadata, size_t shard_bytes = kShardBytes);
  ~SafetensorsWriter();

  /// The next tensor of the plan: name, dtype and shape must be the planned ones (an assert).
  void write(const std::string& name, const TensorView& tensor);
  /// After the last tensor.
  void finish();

 private:
  struct Slot {
    size_t shard;
    size_t offset;  ///< in the file
  };
  void place();
  void open_shard(size_t shard);
  std::string shard_name(size_t shard) const;

  fs::path folder_;
  std::string stem_;
  std::vector<PlannedTensor> plan_;
  std::map<std::string, std::string> metadata_;
  size_t shard_bytes_;
  std::vector<Slot> slots_;           ///< one a planned tensor
  std::vector<std::string> headers_;  ///< one a shard, length prefix included
  std::unique_ptr<AtomicFile> file_;
  size_t next_ = 0;
};

}  // namespace halftone
