#include "eval/coco_annotations.h"

#include <algorithm>
#include <set>

#include "base/json.h"

namespace halftone {
namespace {

/// The objects of one list of the file, with a name for each in errors.
template <class Read>
void each(const Json& file, const char* key, const fs::path& path, const Read& read) {
  const Json list = json_get<Json>(file, key, path.string());
  if (!list.is_array())
    throw InputError("{}: key \"{}\": expected a list, found {}", path.string(), key, list.type_name());
  for (size_t i = 0; i < list.size(); ++i) read(list[i], fmt::format("{}: {}[{}]", path.string(), key, i));
}

TrueBox read_box(const Json& json, const std::string& source) {
  TrueBox box;
  box.image = json_get<int64_t>(json, "image_id", source);
  box.category = json_get<int64_t>(json, "category_id", source);
  const auto sides = json_get<std::vector<double>>(json, "bbox", source);
  if (sides.size() != 4)
    throw InputError("{}: key \"bbox\": expected [left, top, width, height], found {} numbers", source,
                     sides.size());
  std::copy(sides.begin(), sides.end(), box.box.begin());
  box.area = json_get_or<double>(json, "area", sides[2] * sides[3], source);
  box.crowd = json_get_or<int>(json, "iscrowd", 0, source) != 0;
  return box;
}

}  // namespace

CocoAnnotations read_coco_annotations(const fs::path& path) {
  const Json file = read_json(path, size_t{1} << 30);
  CocoAnnotations annotations;
  std::map<int64_t, std::string> categories;
  std::set<int64_t> images;
  each(file, "categories", path, [&](const Json& json, const std::string& source) {
    if (!categories
             .emplace(json_get<int64_t>(json, "id", source), json_get<std::string>(json, "name", source))
             .second)
      throw InputError("{}: a category of this id is there already", source);
  });
  each(file, "images", path, [&](const Json& json, const std::string& source) {
    const auto id = json_get<int64_t>(json, "id", source);
    if (!images.insert(id).second) throw InputError("{}: an image of this id is there already", source);
    annotations.pictures.push_back({id, json_get<std::string>(json, "file_name", source)});
  });
  each(file, "annotations", path, [&](const Json& json, const std::string& source) {
    annotations.boxes.push_back(read_box(json, source));
    const TrueBox& box = annotations.boxes.back();
    if (!images.count(box.image))
      throw InputError("{}: image_id {} is no image of the file", source, box.image);
    if (!categories.count(box.category))
      throw InputError("{}: category_id {} is no category of the file", source, box.category);
  });
  std::sort(annotations.pictures.begin(), annotations.pictures.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  for (const auto& [id, name] : categories) {
    annotations.categories.push_back(id);
    annotations.names.push_back(name);
  }
  return annotations;
}

}  // namespace halftone
