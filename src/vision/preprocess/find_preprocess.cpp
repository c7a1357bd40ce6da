#include "vision/preprocess/find_preprocess.h"

#include <fmt/ranges.h>
#include <fnmatch.h>

#include "base/embedded.h"
#include "base/error.h"
#include "base/suggest.h"

namespace halftone {

extern const EmbeddedFile kPreprocessFiles[];
extern const EmbeddedFile kLabelFiles[];

namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;

std::string stem(std::string_view name) {
  return std::string(name.substr(0, name.rfind('.')));
}

PreprocessSource preset_of(const EmbeddedFile& file) {
  const std::string source = "preset " + stem(file.name);
  return {parse_json(file.text, source), source};
}

/// The preset whose pattern fits the name best, if any does.
std::optional<PreprocessSource> preset_for(const std::string& name) {
  std::optional<PreprocessSource> best;
  size_t longest = 0;
  for (const EmbeddedFile* file = kPreprocessFiles; !file->name.empty(); ++file) {
    PreprocessSource preset = preset_of(*file);
    for (const auto& pattern :
         json_get_or<std::vector<std::string>>(preset.json, "files", {}, preset.source)) {
      if (pattern.size() <= longest || ::fnmatch(pattern.c_str(), name.c_str(), 0) != 0) continue;
      longest = pattern.size();
      best = preset;
      best->guessed = true;
    }
  }
  return best;
}

std::optional<PreprocessSource> hf_file(const fs::path& path) {
  if (!fs::exists(path)) return std::nullopt;
  return PreprocessSource{preprocess_from_hf(read_json(path, kMaxBytes), path.string()), path.string()};
}

std::optional<PreprocessSource> own_file(const fs::path& path) {
  if (!fs::exists(path)) return std::nullopt;
  PreprocessSource found{read_json(path, kMaxBytes), path.string()};
  if (!found.json.is_object())
    throw InputError("{}: expected an object, found {}", found.source, found.json.type_name());
  return found;
}

}  // namespace

std::vector<std::string> preprocess_presets() {
  std::vector<std::string> names;
  for (const EmbeddedFile* file = kPreprocessFiles; !file->name.empty(); ++file)
    names.push_back(stem(file->name));
  return names;
}

PreprocessSource preprocess_preset(const std::string& name) {
  for (const EmbeddedFile* file = kPreprocessFiles; !file->name.empty(); ++file)
    if (stem(file->name) == name) return preset_of(*file);
  const std::vector<std::string> names = preprocess_presets();
  throw UsageError("--preset {}: no such preset{} (known: {})", name, did_you_mean(name, names),
                   fmt::join(names, ", "));
}

std::optional<PreprocessSource> find_preprocess(const fs::path& model) {
  if (fs::is_directory(model)) {
    if (auto found = own_file(model / "preprocess.json")) return found;
    if (auto found = hf_file(model / "preprocessor_config.json")) return found;
    return preset_for(fs::weakly_canonical(model).filename().string());
  }
  if (auto found = own_file(fs::path(model).replace_extension(".preprocess.json"))) return found;
  const fs::path folder = fs::absolute(model).parent_path();
  if (auto found = hf_file(folder / "preprocessor_config.json")) return found;
  if (auto found = hf_file(folder.parent_path() / "preprocessor_config.json")) return found;
  return preset_for(model.filename().string());
}

std::vector<std::string> known_labels(const std::string& name) {
  std::vector<std::string> labels;
  for (const EmbeddedFile* file = kLabelFiles; !file->name.empty(); ++file) {
    if (stem(file->name) != name) continue;
    for (size_t at = 0; at < file->text.size();) {
      const size_t end = std::min(file->text.find('\n', at), file->text.size());
      labels.emplace_back(file->text.substr(at, end - at));
      at = end + 1;
    }
  }
  return labels;
}

}  // namespace halftone
