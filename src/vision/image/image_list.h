#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/file.h"

namespace halftone {

/// Pictures that a user names: files as they are, the pictures of a folder (.jpg, .jpeg, .png, .webp; by
/// name), patterns with * ? [ ] as a shell has them. Throws InputError for a name or a pattern that nothing
/// answers to, and for a folder without pictures.
std::vector<std::string> list_images(std::span<const std::string> names);

/// The pictures of picture_folder(folder).
std::vector<std::string> list_image_folder(const fs::path& folder);

/// The folder "images" in this one, as data sets with annotations beside it have it; where there is none, the
/// folder itself.
fs::path picture_folder(const fs::path& folder);

}  // namespace halftone
