#include "models/model.h"

#include <algorithm>
#include <fmt/ranges.h>

#include "base/error.h"
#include "models/config.h"
#include "ops/paged_attention/paged_attention.h"

namespace halftone {

#define HALFTONE_FAMILY(architecture, model_type, builder) \
  Graph builder(const Checkpoint&, const BuildOptions&);
#include "models/families.inc"
#undef HALFTONE_FAMILY

namespace {

struct Family {
  std::string_view architecture;
  std::string_view model_type;
  Graph (*build)(const Checkpoint&, const BuildOptions&);
};

constexpr Family kFamilies[] = {
#define HALFTONE_FAMILY(architecture, model_type, builder) {architecture, model_type, builder},
#include "models/families.inc"
#undef HALFTONE_FAMILY
};

const Family& find_family(const Checkpoint& checkpoint) {
  const std::string source = config_source(checkpoint);
  const auto architectures =
      json_get_or<std::vector<std::string>>(checkpoint.config, "architectures", {}, source);
  const std::string architecture = architectures.empty() ? "" : architectures.front();
  const std::string type = json_get_or<std::string>(checkpoint.config, "model_type", "", source);
  if (architecture.empty() && type.empty())
    throw InputError("{}: expected \"architectures\" or \"model_type\", found neither", source);
  for (const Family& family : kFamilies)
    if (architecture.empty() ? family.model_type == type : family.architecture == architecture) return family;
  throw UnsupportedError("{}: architecture \"{}\" (known: {})", source,
                         architecture.empty() ? type : architecture, fmt::join(known_architectures(), ", "));
}

int64_t last_dim(const Graph& graph, ValueId value) {
  return graph.value(value).type.shape.back();
}

}  // namespace

std::vector<std::string> known_architectures() {
  std::vector<std::string> names;
  for (const Family& family : kFamilies) names.emplace_back(family.architecture);
  return names;
}

Graph build_llm(const Checkpoint& checkpoint, const BuildOptions& options) {
  if (auto found = checkpoint.config.find("quantization_config"); found != checkpoint.config.end())
    throw UnsupportedError("{}: a checkpoint quantized by \"{}\"", config_source(checkpoint),
                           json_get_or<std::string>(*found, "quant_method", "?", config_source(checkpoint)));
  return find_family(checkpoint).build(checkpoint, options);
}

LlmInfo llm_info(const Graph& graph) {
  LlmInfo info;
  for (const Node& node : graph.nodes()) {
    if (node.schema->name == "RotaryEmbedding") {
      const int64_t positions = graph.value(node.inputs[1]).type.shape[0];
      info.context = info.context == 0 ? positions : std::min(info.context, positions);
    }
    if (node.schema->name != "PagedAttention") continue;
    const PagedAttentionSpec spec = paged_attention_spec(graph.site(node));
    if (spec.layer != info.layers)
      throw UnsupportedError("{}: layer {} of the cache where layer {} was expected", node.name, spec.layer,
                             info.layers);
    if (info.layers > 0 && (spec.kv_heads != info.kv_heads || spec.head_dim != info.head_dim))
      throw UnsupportedError("{}: {} key-value heads of {} after layers with {} of {}", node.name,
                             spec.kv_heads, spec.head_dim, info.kv_heads, info.head_dim);
    info.heads = spec.num_heads;
    info.kv_heads = spec.kv_heads;
    info.head_dim = spec.head_dim;
    info.windows.push_back(spec.window);
    ++info.layers;
  }
  const auto& names = graph.output_names();
  const auto logits = std::find(names.begin(), names.end(), "logits");
  if (info.layers == 0 || info.context == 0 || logits == names.end())
    throw UnsupportedError(
        "graph {}: not a decoder LLM (attention over a cache, rotary positions, an output "
        "\"logits\")",
        graph.name);
  const ValueId output = graph.outputs()[static_cast<size_t>(logits - names.begin())];
  info.vocab = last_dim(graph, output);
  for (const Node& node : graph.nodes()) {
    const bool makes_logits = node.schema->name == "Gemm" && last_dim(graph, node.outputs[0]) == info.vocab;
    if (makes_logits) info.hidden = last_dim(graph, node.inputs[0]);
  }
  return info;
}

int LlmInfo::window() const {
  const bool all_slide = std::none_of(windows.begin(), windows.end(), [](int w) { return w == 0; });
  return all_slide && !windows.empty() ? *std::max_element(windows.begin(), windows.end()) : 0;
}

KvCache::Layout kv_layout(const Graph& graph) {
  const LlmInfo info = llm_info(graph);
  KvCache::Layout layout;
  layout.layers = info.layers;
  layout.kv_heads = info.kv_heads;
  layout.head_dim = info.head_dim;
  return layout;
}

SpecialTokens special_tokens(const Checkpoint& checkpoint) {
  const std::string source = config_source(checkpoint);
  auto ids = [&](const char* key) {
    std::vector<int64_t> found;
    for (const Json* config : {&checkpoint.generation_config, &checkpoint.config}) {
      auto value = config->find(key);
      if (value == config->end() || value->is_null()) continue;
      if (value->is_array())
        found = json_get<std::vector<int64_t>>(*config, key, source);
      else
        found.push_back(json_get<int64_t>(*config, key, source));
      break;
    }
    return found;
  };
  SpecialTokens tokens;
  tokens.eos = ids("eos_token_id");
  const std::vector<int64_t> bos = ids("bos_token_id");
  if (!bos.empty()) tokens.bos = bos.front();
  return tokens;
}

}  // namespace halftone
