#pragma once

#include <string_view>

#include "base/error.h"
#include "base/file.h"

namespace halftone {

/// Writes a file whole or not at all. Throws what AtomicFile throws.
inline void write_file(const fs::path& path, std::span<const std::byte> content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}
inline void write_file(const fs::path& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text)));
}

/// Makes a folder to write into, and those above it, where they are missing. Throws ResourceError.
inline void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw ResourceError("{}: cannot create the folder: {}", folder.string(), error.message());
}

}  // namespace halftone
