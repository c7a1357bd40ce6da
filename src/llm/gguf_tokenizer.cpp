#include "llm/gguf_tokenizer.h"

#include <algorithm>

namespace halftone {
namespace {

template <class To, class From>
std::vector<To> numbers(const GgufMetadata& metadata, std::string_view key) {
  const auto values = metadata.get<std::vector<From>>(key).value_or(std::vector<From>());
  std::vector<To> out;
  for (From value : values) out.push_back(static_cast<To>(value));
  return out;
}

}  // namespace

GgufVocabulary gguf_vocabulary(const GgufMetadata& metadata) {
  const auto text = [&](std::string_view key) { return metadata.get<std::string>(key).value_or(""); };
  const auto id = [&](std::string_view key) { return metadata.get<int64_t>(key); };
  const auto flag = [&](std::string_view key) { return metadata.get<bool>(key); };
  GgufVocabulary v;
  v.source = metadata.source();
  v.name = text("general.name");
  v.model = metadata.require<std::string>("tokenizer.ggml.model");
  v.pre = text("tokenizer.ggml.pre");
  v.tokens = metadata.require<std::vector<std::string>>("tokenizer.ggml.tokens");
  v.scores = numbers<float, double>(metadata, "tokenizer.ggml.scores");
  v.token_types = numbers<int32_t, int64_t>(metadata, "tokenizer.ggml.token_type");
  v.merges =
      metadata.get<std::vector<std::string>>("tokenizer.ggml.merges").value_or(std::vector<std::string>());
  v.precompiled_charsmap = numbers<uint8_t, int64_t>(metadata, "tokenizer.ggml.precompiled_charsmap");
  v.bos_id = id("tokenizer.ggml.bos_token_id");
  v.eos_id = id("tokenizer.ggml.eos_token_id");
  v.eot_id = id("tokenizer.ggml.eot_token_id");
  v.eom_id = id("tokenizer.ggml.eom_token_id");
  v.unknown_id = id("tokenizer.ggml.unknown_token_id");
  v.separator_id = id("tokenizer.ggml.seperator_token_id");  // the format's own spelling
  v.cls_id = id("tokenizer.ggml.cls_token_id");
  v.add_bos = flag("tokenizer.ggml.add_bos_token");
  v.add_eos = flag("tokenizer.ggml.add_eos_token");
  v.add_space_prefix = flag("tokenizer.ggml.add_space_prefix");
  v.remove_extra_whitespaces = flag("tokenizer.ggml.remove_extra_whitespaces");
  return v;
}

void add_vocabulary(GgufFields& fields, const GgufVocabulary& v, std::span<const int64_t> end_tokens) {
  auto id = [&](const std::string& key, std::optional<int64_t> value) {
    if (value) fields.add("tokenizer.ggml." + key, static_cast<uint32_t>(*value));
  };
  auto flag = [&](const std::string& key, std::optional<bool> value) {
    if (value) fields.add("tokenizer.ggml." + key, *value);
  };
  fields.add("tokenizer.ggml.model", v.model);
  if (!v.pre.empty()) fields.add("tokenizer.ggml.pre", v.pre);
  fields.add("tokenizer.ggml.tokens", v.tokens);
  if (!v.scores.empty()) fields.add("tokenizer.ggml.scores", v.scores);
  if (!v.token_types.empty()) fields.add("tokenizer.ggml.token_type", v.token_types);
  if (!v.merges.empty()) fields.add("tokenizer.ggml.merges", v.merges);
  id("bos_token_id", v.bos_id);
  const char* const ends[] = {"eos_token_id", "eot_token_id", "eom_token_id"};
  for (size_t i = 0; i < std::min(end_tokens.size(), std::size(ends)); ++i) id(ends[i], end_tokens[i]);
  id("unknown_token_id", v.unknown_id);
  id("seperator_token_id", v.separator_id);
  id("cls_token_id", v.cls_id);
  flag("add_bos_token", v.add_bos);
  flag("add_eos_token", v.add_eos);
  flag("add_space_prefix", v.add_space_prefix);
  flag("remove_extra_whitespaces", v.remove_extra_whitespaces);
}

}  // namespace halftone
