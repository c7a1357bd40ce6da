#pragma once

#include <filesystem>

namespace halftone {

/// A file of this repository, for tests; $HALFTONE_SOURCE says where it lies on another machine than it was
/// built on.
std::filesystem::path source_path(const std::filesystem::path& inside = {});

/// The shared test material: $HALFTONE_SHARED, else the folder `shared` beside the checkout. May not exist:
/// then tests skip with a plain word.
std::filesystem::path shared_path(const std::filesystem::path& inside = {});

}  // namespace halftone

/// Ends the test as skipped when the shared material is not there.
#define SKIP_WITHOUT_SHARED(path) \
  if (!std::filesystem::exists(halftone::shared_path(path))) GTEST_SKIP() << "no shared material: " << path
