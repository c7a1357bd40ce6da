#pragma once

#include "base/keyed_hash.h"
#include "base/mapped_files.h"

namespace halftone {

/// Digest of the contents of all files that are mapped now. `memo` is a file that remembers digests by what
/// the system says of a file (device, inode, size, times), so that a model of gigabytes is read once and not
/// at each start; a file that changed within the last seconds is not remembered, since it might change once
/// more within the clock's grain.
Digest mapped_contents(const std::vector<OpenMapping>& mappings, const fs::path& memo, const KeyedHash& hash,
                       ThreadPool& threads);

}  // namespace halftone
