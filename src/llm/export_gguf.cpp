#include "llm/export_gguf.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/error.h"
#include "formats/ggml_weight.h"
#include "formats/gguf.h"
#include "formats/hf_config.h"
#include "llm/gguf_hparams.h"
#include "llm/gguf_tokenizer.h"
#include "models/model.h"
#include "tokenizer/make_gguf_vocabulary.h"

namespace halftone {
namespace {

constexpr std::string_view kEmbedding = "embed_tokens.weight";
constexpr uint32_t kQuantizationVersion = 2;

/// general.file_type, by the type that most weights have.
struct FileType {
  std::string_view type;
  uint32_t number;
};
constexpr FileType kFileTypes[] = {{"F32", 0},  {"F16", 1},  {"Q4_0", 2},
                                   {"Q4_1", 3}, {"Q8_0", 7}, {"BF16", 32}};

/// The name as it stands in a checkpoint of the language model alone ("model." in place of
/// "model.language_model.").
class ModelNames {
 public:
  explicit ModelNames(const Graph& graph) {
    for (const Value& value : graph.values())
      if (value.constant && value.name.ends_with(kEmbedding))
        prefix_ = value.name.substr(0, value.name.size() - kEmbedding.size());
  }
  std::string operator()(const std::string& name) const {
    return !prefix_.empty() && name.starts_with(prefix_) ? "model." + name.substr(prefix_.size()) : name;
  }

 private:
  std::string prefix_;
};

bool is_weight(const Value& value) {
  return value.constant && (value.name.ends_with(".weight") || value.name.ends_with(".bias"));
}

/// The type of numbers as they are; f32 for codes, which have places of their own, and for what GGUF lacks.
std::string own_type(const Constant& constant) {
  const std::string name(dtype_name(constant.dtype()));
  const std::vector<std::string> written = written_ggml_types();
  return !constant.encoding() && std::ranges::find(written, name) != written.end() ? name : "f32";
}

/// One tensor of the file: constants of the graph, one below the other.
struct FileTensor {
  std::string name;
  const GgmlType* type = nullptr;
  Shape shape;
  std::vector<ValueId> parts;
  int64_t rotary_heads = 0;  ///< see GgmlTransform
};

const GgmlType& type_of(const Constant& constant) {
  for (const std::string& name : written_ggml_types()) {
    const GgmlType& type = ggml_type_named(name);
    if (type.plain ? !constant.encoding() && constant.dtype() == *type.plain
                   : constant.encoding() && *constant.encoding() == type.encoding())
      return type;
  }
  throw UnsupportedError("GGUF has no type for {}",
                         constant.encoding() ? constant.encoding()->str() : "its numbers");
}

std::vector<FileTensor> file_tensors(const Graph& graph, const GgufArchitecture& architecture) {
  const LlmInfo info = llm_info(graph);
  const ModelNames model_name(graph);
  std::vector<FileTensor> tensors;
  std::map<std::string, size_t> places;
  for (size_t i = 0; i < graph.values().size(); ++i) {
    const Value& value = graph.values()[i];
    if (!is_weight(value)) continue;
    const std::optional<std::string> name = gguf_tensor_name(architecture, model_name(value.name));
    if (!name)
      throw UnsupportedError("{}: GGUF files of architecture \"{}\" have no such tensor", value.name,
                             architecture.name);
    const Constant& constant = *value.constant;
    const GgmlType& type = type_of(constant);
    const auto [place, fresh] = places.emplace(*name, tensors.size());
    if (fresh) {
      const std::string_view part = gguf_part(*name);
      const int64_t heads = part == "attn_q" ? info.heads : part == "attn_k" ? info.kv_heads : 0;
      tensors.push_back({*name,
                         &type,
                         constant.shape(),
                         {static_cast<ValueId>(i)},
                         architecture.interleaved_heads ? heads : 0});
      continue;
    }
    FileTensor& tensor = tensors[place->second];
    if (tensor.type != &type)
      throw UnsupportedError("{}: {}, but other parts of tensor \"{}\" are {}", value.name, type.name, *name,
                             tensor.type->name);
    tensor.shape[0] += constant.shape()[0];
    tensor.parts.push_back(static_cast<ValueId>(i));
  }
  return tensors;
}

/// Row `row` of the file's order, of a tensor whose heads interleave their halves there.
int64_t graph_row(int64_t row, int64_t rows, int64_t rotary_heads) {
  if (rotary_heads == 0) return row;
  const int64_t head_rows = rows / rotary_heads, in_head = row % head_rows;
  return row - in_head + in_head % 2 * (head_rows / 2) + in_head / 2;
}

void write_part(GgufWriter& file, const FileTensor& tensor, const Value& value) {
  const GgmlType& type = *tensor.type;
  const int64_t rows = tensor.rotary_heads || value.type.shape.rank() > 1 ? value.type.shape[0] : 1;
  std::vector<std::byte> row_bytes(static_cast<size_t>(value.type.shape.elements() / rows) / type.block *
                                   type.bytes);
  Tensor numbers;
  std::shared_ptr<const QuantizedTensor> codes;
  if (type.plain)
    numbers = value.constant->load();
  else
    codes = value.constant->load_encoded(value.name);
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t from = graph_row(row, rows, tensor.rotary_heads);
    if (codes)
      pack_ggml_row(type, *codes, from, row_bytes);
    else
      std::memcpy(row_bytes.data(), numbers.view().data + static_cast<size_t>(from) * row_bytes.size(),
                  row_bytes.size());
    file.write(row_bytes);
  }
}

/// What the files of a model say of its tokens.
struct Texts {
  GgufVocabulary vocabulary;
  std::optional<std::string> chat_template{};
};

Texts texts_of(const fs::path& source, int64_t rows) {
  const fs::path stored = fs::is_directory(source) ? source / "tokenizer.gguf" : source;
  if (fs::exists(stored)) {
    const GgufFile file(stored);
    return {gguf_vocabulary(file.metadata()), file.metadata().get<std::string>("tokenizer.chat_template")};
  }
  Texts texts{make_gguf_vocabulary(source, rows)};
  if (const TokenizerConfig config = read_tokenizer_config(source); config.chat_template())
    texts.chat_template = *config.chat_template();
  return texts;
}

/// What ends an answer: the model's own first.
std::vector<int64_t> end_tokens(const GgufVocabulary& vocabulary, const Json& config,
                                const Json& generation) {
  Checkpoint settings;
  settings.config = config;
  settings.generation_config = generation;
  std::vector<int64_t> ends = special_tokens(settings).eos;
  for (const auto& id : {vocabulary.eos_id, vocabulary.eot_id, vocabulary.eom_id})
    if (id && std::ranges::find(ends, *id) == ends.end()) ends.push_back(*id);
  return ends;
}

Json companion_json(const std::vector<CompanionFile>& companions, std::string_view name,
                    Json (*parse)(std::string_view, const std::string&)) {
  const auto found = std::ranges::find(companions, name, &CompanionFile::name);
  return found == companions.end() ? Json::object() : parse(found->content, found->name);
}

const Json& language_config(const Json& config) {
  const auto text = config.find("text_config");
  return text == config.end() ? config : *text;
}

}  // namespace

GgufExport plan_gguf(const Graph& graph, const Json& config, const std::string& type) {
  GgufExport plan{.graph = graph};
  const GgufArchitecture& architecture = gguf_architecture(language_config(config), "config.json");
  std::map<std::string_view, int64_t> types;
  std::map<std::string, int64_t> changes;
  const ModelNames model_name(graph);
  for (size_t i = 0; i < graph.values().size(); ++i) {
    const Value& value = graph.values()[i];
    if (!is_weight(value)) continue;
    const std::string name = model_name(value.name);
    const bool matrix = value.type.shape.rank() > 1;
    const bool ends = name == "model.embed_tokens.weight" || name == "lm_head.weight";
    std::string wanted = type.empty() ? own_type(*value.constant) : type;
    if (ends && wanted.starts_with("q4")) wanted = "q8_0";
    if (!matrix) wanted = "f32";
    GgmlWeight weight = ggml_weight(*value.constant, ggml_type_named(wanted), value.name);
    if (matrix) ++types[weight.type->name];
    if (!weight.change.empty()) ++changes[weight.change];
    plan.graph.value(static_cast<ValueId>(i)).constant = std::move(weight.constant);
  }
  for (const auto& [name, count] : types) plan.types.emplace_back(name, count);
  std::ranges::stable_sort(plan.types, std::greater(), &std::pair<std::string, int64_t>::second);
  for (const auto& [change, count] : changes)
    plan.remarks.push_back(fmt::format("{} weights: {}", count, change));
  file_tensors(plan.graph, architecture);
  return plan;
}

void write_gguf(const GgufExport& plan, const fs::path& source, const std::vector<CompanionFile>& companions,
                const fs::path& target, const SaveProgress& progress) {
  const Graph& graph = plan.graph;
  const Json config = companion_json(companions, "config.json", parse_hf_config);
  const Json generation = companion_json(companions, "generation_config.json", parse_generation_config);
  const Json& language = language_config(config);
  const GgufArchitecture& architecture = gguf_architecture(language, "config.json");

  GgufFields fields;
  fields.add("general.architecture", architecture.name);
  fields.add("general.type", "model");
  const Texts texts = texts_of(source, llm_info(graph).vocab);
  fields.add("general.name", texts.vocabulary.name);
  const auto file_type = std::ranges::find(kFileTypes, plan.types.front().first, &FileType::type);
  fields.add("general.file_type", file_type->number);
  fields.add("general.quantization_version", kQuantizationVersion);
  const std::vector<GgufRopeTensor> rope = add_hparams(fields, architecture, graph, language, "config.json");
  add_vocabulary(fields, texts.vocabulary, end_tokens(texts.vocabulary, language, generation));
  if (texts.chat_template) fields.add("tokenizer.chat_template", *texts.chat_template);

  const std::vector<FileTensor> tensors = file_tensors(graph, architecture);
  std::vector<PlannedGgufTensor> planned;
  for (const GgufRopeTensor& tensor : rope)
    planned.push_back({tensor.name, &ggml_type_named("f32"), {static_cast<int64_t>(tensor.factors.size())}});
  for (const FileTensor& tensor : tensors) planned.push_back({tensor.name, tensor.type, tensor.shape});
  double total = 0, done = 0;
  for (const FileTensor& tensor : tensors)
    for (const ValueId part : tensor.parts) total += graph.value(part).constant->stored_bytes();

  GgufWriter file(target, fields, planned);
  for (const GgufRopeTensor& tensor : rope) file.write(std::as_bytes(std::span(tensor.factors)));
  for (const FileTensor& tensor : tensors)
    for (const ValueId part : tensor.parts) {
      const Value& value = graph.value(part);
      if (progress) progress(done, total, value.name);
      write_part(file, tensor, value);
      done += value.constant->stored_bytes();
    }
  file.finish();
  if (progress) progress(total, total, "");
}

}  // namespace halftone
