#include "shared_files.h"

#include <cstdlib>

namespace halftone {
namespace fs = std::filesystem;

fs::path source_path(const fs::path& inside) {
  const char* set = std::getenv("HALFTONE_SOURCE");
  return fs::path(set ? set : HALFTONE_SOURCE_DIR) / inside;
}

fs::path shared_path(const fs::path& inside) {
  const char* set = std::getenv("HALFTONE_SHARED");
  return (set ? fs::path(set) : source_path() / ".." / "shared") / inside;
}

}  // namespace halftone
