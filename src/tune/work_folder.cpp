#include "tune/work_folder.h"

#include <algorithm>

#include "base/error.h"
#include "base/keyed_hash.h"
#include "base/write_file.h"
#include "formats/halftone_folder.h"

namespace halftone {
namespace {

constexpr const char* kKeyFile = "work.json";

/// Under a secret that everybody knows: tells a changed file, not a forged one. Reads a piece at a time, so
/// that a model of gigabytes does not stay mapped in.
std::string content_hash(const fs::path& path) {
  constexpr size_t kPiece = size_t{64} << 20;
  const KeyedHash hash({1, 2, 3, 4, 5, 6, 7, 8});
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  std::vector<Digest> digests;
  for (size_t at = 0; at < file->bytes().size(); at += kPiece) {
    const auto piece = file->bytes().subspan(at, std::min(kPiece, file->bytes().size() - at));
    digests.push_back(hash(piece));
    file->release(piece);
  }
  return digest_text(hash(std::as_bytes(std::span(digests))));
}

std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

Json hashes_of(const fs::path& folder) {
  Json hashes = Json::object();
  for (const fs::path& file : files_of(folder)) hashes[file.filename().string()] = content_hash(file);
  return hashes;
}

fs::path block_path(const fs::path& folder, int index) {
  return folder / fmt::format("block-{:04}", index);
}

fs::path record_path(const fs::path& folder, int index) {
  return folder / fmt::format("block-{:04}.json", index);
}

void write_json(const fs::path& path, const Json& json) {
  write_file(path, json.dump(1) + "\n");
}

std::vector<LayerNote> notes_from(const Json& record, const std::string& source) {
  std::vector<LayerNote> notes;
  for (const Json& note : json_get<Json>(record, "notes", source))
    notes.push_back({json_get<std::string>(note, "layer", source),
                     json_get<std::string>(note, "algorithm", source),
                     json_get<std::string>(note, "text", source), json_get<bool>(note, "fallback", source)});
  return notes;
}

void check_key(const fs::path& folder, const Json& key) {
  const Json found = read_json(folder / kKeyFile);
  for (const auto& [name, value] : key.items())
    if (found.value(name, Json()) != value)
      throw UsageError("--resume: {} was made with another {} ({}; now {}); without --resume it starts anew",
                       folder.string(), name, found.value(name, Json()).dump().substr(0, 120),
                       value.dump().substr(0, 120));
}

}  // namespace

WorkFolder::WorkFolder(fs::path folder, const Json& key, bool resume) : folder_(std::move(folder)) {
  if (resume && fs::exists(folder_ / kKeyFile)) {
    check_key(folder_, key);
    return;
  }
  if (fs::exists(folder_) && !fs::is_empty(folder_) && !fs::exists(folder_ / kKeyFile))
    throw InputError("{}: is in the way: expected a work folder of halftone quantize or nothing",
                     folder_.string());
  fs::remove_all(folder_);
  make_folder(folder_);
  write_json(folder_ / kKeyFile, key);
}

std::optional<FinishedBlock> WorkFolder::load(int index, const std::string& name) {
  const fs::path path = record_path(folder_, index);
  if (!fs::exists(path)) return {};
  const Json record = read_json(path);
  const std::string source = path.string();
  if (json_get<std::string>(record, "name", source) != name ||
      json_get<Json>(record, "files", source) != hashes_of(block_path(folder_, index))) {
    warnings_.push_back(fmt::format("{}: not as it was written; block {} is done again",
                                    block_path(folder_, index).string(), name));
    return {};
  }
  ++found_;
  return FinishedBlock{load_halftone(block_path(folder_, index)).graph, notes_from(record, source)};
}

FinishedBlock WorkFolder::save(int index, const std::string& name, FinishedBlock block) {
  fs::remove(record_path(folder_, index));
  save_halftone(block.graph, block_path(folder_, index), {name, "", "halftone", ""}, {});
  Json record;
  record["name"] = name;
  record["files"] = hashes_of(block_path(folder_, index));
  record["notes"] = Json::array();
  for (const LayerNote& note : block.notes)
    record["notes"].push_back({{"layer", note.layer},
                               {"algorithm", note.algorithm},
                               {"text", note.text},
                               {"fallback", note.fallback}});
  write_json(record_path(folder_, index), record);
  return {load_halftone(block_path(folder_, index)).graph, std::move(block.notes)};
}

void WorkFolder::remove() {
  fs::remove_all(folder_);
}

fs::path work_folder_of(const fs::path& output) {
  fs::path path = output.filename().empty() ? output.parent_path() : output;
  path += ".halftone-work";
  return path;
}

Json model_fingerprint(const fs::path& model) {
  Json print = Json::object();
  auto add = [&](const fs::path& file) {
    print[file.filename().string()] = {fs::file_size(file), content_hash(file)};
  };
  if (!fs::is_directory(model)) {
    add(model);
    return print;
  }
  for (const fs::path& file : files_of(model)) add(file);
  return print;
}

}  // namespace halftone
