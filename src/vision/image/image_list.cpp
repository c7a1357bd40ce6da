#include "vision/image/image_list.h"

#include <algorithm>
#include <glob.h>

#include "base/error.h"

namespace halftone {
namespace {

bool has_image_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png" || extension == ".webp";
}

std::vector<std::string> matches(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> paths;
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0)
    paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  return paths;
}

}  // namespace

fs::path picture_folder(const fs::path& folder) {
  const fs::path inner = folder / "images";
  return fs::is_directory(inner) ? inner : folder;
}

std::vector<std::string> list_image_folder(const fs::path& folder) {
  if (!fs::is_directory(folder)) throw InputError("{}: no such folder", folder.string());
  std::vector<std::string> paths;
  for (const auto& entry : fs::directory_iterator(picture_folder(folder)))
    if (has_image_extension(entry.path())) paths.push_back(entry.path().string());
  if (paths.empty())
    throw InputError("{}: no pictures in this folder (.jpg, .jpeg, .png, .webp)", folder.string());
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<std::string> list_images(std::span<const std::string> names) {
  std::vector<std::string> paths;
  for (const std::string& name : names) {
    std::vector<std::string> found;
    if (fs::is_directory(name))
      found = list_image_folder(name);
    else if (fs::exists(name))
      found = {name};
    else
      found = matches(name);
    if (found.empty()) throw InputError("{}: no such file or folder, nor a pattern that fits any", name);
    paths.insert(paths.end(), found.begin(), found.end());
  }
  return paths;
}

}  // namespace halftone
