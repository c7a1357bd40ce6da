#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/file.h"

namespace halftone {

/// What the system says of a file, so that a change shows.
struct FileIdentity {
  uint64_t device, inode, size;
  int64_t modified_ns, changed_ns;
  friend auto operator<=>(const FileIdentity&, const FileIdentity&) = default;
};

/// Every file that is mapped now, as it was when it was opened, in the order of opening.
struct OpenMapping {
  std::shared_ptr<const MappedFile> file;
  FileIdentity identity;
};
std::vector<OpenMapping> open_mappings();
/// Whether the bytes are part of one of them.
bool is_mapped(std::span<const std::byte> bytes);
/// Whether its path still leads to the same file, unchanged as far as the system tells.
bool is_as_opened(const OpenMapping& mapping);

}  // namespace halftone
