#include "formats/halftone_folder.h"

#include <ctime>
#include <set>

#include "base/write_file.h"
#include "formats/encoded_parts.h"
#include "formats/graph_json.h"
#include "formats/halftone_target.h"
#include "formats/hf_config.h"

namespace halftone {
namespace {

constexpr const char* kIndexFile = "halftone.json";
constexpr const char* kFormat = "halftone";
constexpr int64_t kVersion = 1;

std::string now_utc() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

OrderedJson index_of(const Graph& graph, const Provenance& provenance) {
  OrderedJson json;
  json["format"] = kFormat;
  json["version"] = kVersion;
  json["provenance"] = {{"source", provenance.source},
                        {"recipe", provenance.recipe},
                        {"program", provenance.program},
                        {"time", provenance.time.empty() ? now_utc() : provenance.time}};
  json["graph"] = graph_to_json(graph);
  return json;
}

/// One file line a constant or node, so that a reader can find his way and a diff shows what changed.
std::string index_text(const OrderedJson& index) {
  std::string text = "{\n";
  for (const auto& [key, value] : index.items()) {
    if (key == "graph") continue;
    text += fmt::format(" {}: {},\n", OrderedJson(key).dump(), value.dump());
  }
  text += " \"graph\": {";
  const char* separator = "\n";
  for (const auto& [key, value] : index["graph"].items()) {
    text += fmt::format("{}  {}: ", separator, OrderedJson(key).dump());
    separator = ",\n";
    if (!value.is_array() || value.empty()) {
      text += value.dump();
      continue;
    }
    const char* between = "[\n";
    for (const OrderedJson& element : value) {
      text += fmt::format("{}   {}", between, element.dump());
      between = ",\n";
    }
    text += "]";
  }
  return text + "}\n}\n";
}

std::vector<PlannedTensor> plan_of(const Graph& graph, const std::vector<bool>& used) {
  std::vector<PlannedTensor> plan;
  std::set<std::string> names;
  for (size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) continue;
    const Value& value = graph.values()[i];
    const Constant& constant = *value.constant;
    std::vector<PlannedTensor> parts{{value.name, constant.dtype(), constant.shape()}};
    if (constant.encoding()) parts = encoded_parts(value.name, *constant.encoding(), constant.shape());
    for (PlannedTensor& part : parts) {
      if (!names.insert(part.name).second)
        throw UnsupportedError("graph {}: two constants would be stored under the name \"{}\"", graph.name,
                               part.name);
      plan.push_back(std::move(part));
    }
  }
  return plan;
}

void write_constants(const Graph& graph, const fs::path& folder, const SaveProgress& progress) {
  const std::vector<bool> used = constants_in_use(graph);
  double total = 0;
  for (size_t i = 0; i < used.size(); ++i)
    if (used[i]) total += graph.values()[i].constant->stored_bytes();
  SafetensorsWriter writer(folder, "model", plan_of(graph, used), {{"format", kFormat}});
  double done = 0;
  for (size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) continue;
    const Value& value = graph.values()[i];
    if (progress) progress(done, total, value.name);
    if (value.constant->encoding())
      write_encoded(writer, value.name, *value.constant->load_encoded(value.name));
    else
      writer.write(value.name, value.constant->load().view());
    done += value.constant->stored_bytes();
  }
  writer.finish();
  if (progress) progress(total, total, "");
}

Provenance provenance_from_json(const Json& json, const std::string& source) {
  const std::string where = source + ": provenance";
  return {json_get_or<std::string>(json, "source", "", where),
          json_get_or<std::string>(json, "recipe", "", where),
          json_get_or<std::string>(json, "program", "", where),
          json_get_or<std::string>(json, "time", "", where)};
}

}  // namespace

bool is_halftone_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path / kIndexFile, ignored);
}

void check_halftone_target(const fs::path& target) {
  AtomicFolder(target, kIndexFile);
}

void save_halftone(const Graph& graph, const fs::path& target, const Provenance& provenance,
                   const std::vector<CompanionFile>& companions, const SaveProgress& progress) {
  AtomicFolder folder(target, kIndexFile);
  write_constants(graph, folder.path(), progress);
  for (const CompanionFile& companion : companions)
    write_file(folder.path() / companion.name, companion.content);
  write_file(folder.path() / kIndexFile, index_text(index_of(graph, provenance)));
  folder.commit();
}

HalftoneModel load_halftone(const fs::path& path) {
  const fs::path index_path = path / kIndexFile;
  const std::string source = index_path.string();
  const Json index = read_json(index_path);
  if (json_get<std::string>(index, "format", source) != kFormat)
    throw InputError("{}: key \"format\": expected \"{}\"", source, kFormat);
  if (const auto version = json_get<int64_t>(index, "version", source); version != kVersion)
    throw UnsupportedError("{}: version {} of the format; this program reads version {}", source, version,
                           kVersion);

  HalftoneModel model;
  model.path = path;
  model.provenance =
      provenance_from_json(json_get_or<Json>(index, "provenance", Json::object(), source), source);
  if (fs::exists(path / "config.json")) model.config = read_hf_config(path);
  model.generation_config = read_generation_config(path);
  Checkpoint tensors;
  tensors.path = path;
  add_safetensors_folder(tensors, path);
  model.graph = graph_from_json(
      json_get<Json>(index, "graph", source), source,
      [&](const std::string& name, const ValueType& type, const std::optional<Encoding>& encoding) {
        const std::string where = fmt::format("{}: constant \"{}\"", source, name);
        if (encoding) return encoded_constant(tensors, name, type, *encoding, where);
        const Constant& constant = tensors.constant(name, type.shape);
        if (constant.dtype() != type.dtype)
          throw InputError("{}: expected {}, found {}", where, dtype_name(type.dtype),
                           dtype_name(constant.dtype()));
        return constant;
      });
  return model;
}

}  // namespace halftone
