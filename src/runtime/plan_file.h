#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/keyed_hash.h"

namespace halftone {

/// Packed constants of one plan as they lie in a file of the plan cache:
///
///   PlanFileHeader; the model's name; PlanFileBlock for each constant; then the constants, each at a
///   multiple of 4096 bytes.
///
/// The digest in the header covers all before the constants, those in the table the constants. Numbers are in
/// the machine's own byte order: the cache is its own too.
struct PlanFileHeader {
  char magic[8];  ///< kPlanFileMagic
  Digest key;     ///< of all that the constants follow from
  uint64_t name_bytes;
  uint64_t blocks;
  uint64_t file_bytes;
  Digest digest;  ///< of this header with zeros here, the name and the table
};
inline constexpr char kPlanFileMagic[8] = {'H', 'T', 'P', 'L', 'A', 'N', '0', '1'};
inline constexpr uint64_t kPlanNameMax = 4096;

struct PlanFileBlock {
  uint64_t offset, bytes;
  Digest digest;
};

/// A plan file that is mapped and was found whole.
struct PlanFile {
  std::string name;
  std::vector<PlanFileBlock> blocks;
  std::shared_ptr<const std::byte> data;  ///< the file from its first byte

  /// Null when there is no such file. Throws InputError when it is damaged, was changed, is another plan's or
  /// could have been written by another user.
  static std::unique_ptr<PlanFile> open(const fs::path& path, const Digest& key, const KeyedHash& hash,
                                        ThreadPool& threads);
};

/// What the header says of a plan file's model, without reading further; nothing when it says nothing sound.
std::optional<std::string> plan_file_name(const fs::path& path);

/// A constant to be written.
struct PackedBlock {
  std::shared_ptr<const std::byte> data;
  size_t bytes;
};
/// Writes a plan file under a temporary name, for this user alone, and renames it. Throws ResourceError.
void write_plan_file(const fs::path& path, const Digest& key, const std::string& name,
                     const std::vector<PackedBlock>& blocks, const KeyedHash& hash, ThreadPool& threads);
/// Whether this is what a process left that ended while it wrote a plan file. What is being written is
/// locked: containers that share a disk do not know each other's processes.
bool is_left_unfinished(const fs::path& path);

}  // namespace halftone
