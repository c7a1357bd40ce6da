#include "formats/hf_config.h"

#include <algorithm>

namespace halftone {
namespace {

constexpr size_t kMaxText = size_t{16} << 20;

std::string shown(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 80);
}

/// Checks object[key], where it is there and not null.
template <class Test>
void check(const Json& object, const char* key, const char* expected, const std::string& source, Test test) {
  auto found = object.find(key);
  if (found == object.end() || found->is_null() || test(*found)) return;
  throw InputError("{}: \"{}\": expected {}, found {}", source, key, expected, shown(*found));
}

bool is_string(const Json& value) {
  return value.is_string();
}
bool is_number(const Json& value) {
  return value.is_number();
}
bool is_flag(const Json& value) {
  return value.is_boolean();
}
bool is_strings(const Json& value) {
  return value.is_array() && std::all_of(value.begin(), value.end(), is_string);
}
bool is_object(const Json& value) {
  return value.is_object();
}
/// Sizes are bounded so that sums and products of two of them cannot overflow.
bool is_size(const Json& value) {
  return value.is_number_unsigned() && value.get<uint64_t>() >= 1 && value.get<uint64_t>() <= (1u << 30);
}
bool is_token_ids(const Json& value) {
  auto is_id = [](const Json& id) { return id.is_number_integer(); };
  return is_id(value) || (value.is_array() && std::all_of(value.begin(), value.end(), is_id));
}

Json parse_object(std::string_view text, const std::string& source) {
  Json json = parse_json(text, source);
  if (!json.is_object()) throw InputError("{}: expected a JSON object, found {}", source, shown(json));
  return json;
}

}  // namespace

Json parse_hf_config(std::string_view text, const std::string& source) {
  Json config = parse_object(text, source);
  check(config, "model_type", "a string", source, is_string);
  check(config, "architectures", "a list of strings", source, is_strings);
  for (const char* key : {"torch_dtype", "dtype", "hidden_act"})
    check(config, key, "a string", source, is_string);
  for (const char* key :
       {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
        "head_dim", "vocab_size", "max_position_embeddings", "sliding_window"})
    check(config, key, "a size from 1 to 2^30", source, is_size);
  for (const char* key : {"rms_norm_eps", "rope_theta", "initializer_range"})
    check(config, key, "a number", source, is_number);
  for (const char* key : {"rope_scaling", "rope_parameters", "quantization_config"})
    check(config, key, "an object", source, is_object);
  check(config, "tie_word_embeddings", "true or false", source, is_flag);
  return config;
}

Json parse_generation_config(std::string_view text, const std::string& source) {
  Json config = parse_object(text, source);
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"})
    check(config, key, "a token id or a list of them", source, is_token_ids);
  for (const char* key : {"temperature", "top_k", "top_p", "min_p", "repetition_penalty", "max_new_tokens"})
    check(config, key, "a number", source, is_number);
  check(config, "do_sample", "true or false", source, is_flag);
  return config;
}

Json read_hf_config(const fs::path& folder) {
  const fs::path path = folder / "config.json";
  return parse_hf_config(read_text(path, kMaxText), path.string());
}

Json read_generation_config(const fs::path& folder) {
  const fs::path path = folder / "generation_config.json";
  if (!fs::exists(path)) return Json::object();
  return parse_generation_config(read_text(path, kMaxText), path.string());
}

}  // namespace halftone
