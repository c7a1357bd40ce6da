#pragma once

#include <cstdlib>
#include <filesystem>

namespace halftone {

/// A file of this repository, for tests; $HALFTONE_SOURCE says where it lies on another machine than it was
/// built on.
inline std::filesystem::path source_path(const std::filesystem::path& inside = {}) {
  const char* set = std::getenv("HALFTONE_SOURCE");
  return std::filesystem::path(set ? set : HALFTONE_SOURCE_DIR) / inside;
}

/// The shared test material: $HALFTONE_SHARED, else the folder `shared` beside the checkout. May not exist:
/// then tests skip with a plain word.
inline std::filesystem::path shared_path(const std::filesystem::path& inside = {}) {
  const char* set = std::getenv("HALFTONE_SHARED");
  return (set ? std::filesystem::path(set) : source_path() / ".." / "shared") / inside;
}

}  // namespace halftone

/// Ends the test as skipped when the shared material is not there.
#define SKIP_WITHOUT_SHARED(path) \
  if (!std::filesystem::exists(halftone::shared_path(path))) GTEST_SKIP() << "no shared material: " << path
