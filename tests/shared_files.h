#pragma once

#include <cstdlib>
#include <filesystem>

namespace halftone {

/// The shared test material: $HALFTONE_SHARED, else the folder `shared` beside the checkout. May not exist:
/// then tests skip with a plain word.
inline std::filesystem::path shared_path(const std::filesystem::path& inside = {}) {
  const char* set = std::getenv("HALFTONE_SHARED");
  std::filesystem::path root = set ? set : std::filesystem::path(HALFTONE_SOURCE_DIR) / ".." / "shared";
  return root / inside;
}

/// A file of this repository, for tests.
inline std::filesystem::path source_path(const std::filesystem::path& inside) {
  return std::filesystem::path(HALFTONE_SOURCE_DIR) / inside;
}

}  // namespace halftone

/// Ends the test as skipped when the shared material is not there.
#define SKIP_WITHOUT_SHARED(path) \
  if (!std::filesystem::exists(halftone::shared_path(path))) GTEST_SKIP() << "no shared material: " << path
