#include "tokenizer/tiktoken.h"

#include <charconv>

#include "tokenizer/base64.h"
#include "tokenizer/bpe.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/words.h"

namespace halftone {

namespace {

/// One file of ranks that is in use.
struct Family {
  std::string_view name;
  int ranks;
  std::string_view words;
  bool nfc;
  std::string_view bos;  // may be empty
  std::string_view eos;
  std::vector<std::string> (*special)();
};

/// meta-llama/llama-models, llama3/tokenizer.py: 256 special tokens behind the ranks.
std::vector<std::string> llama3_special() {
  std::vector<std::string> names = {"<|begin_of_text|>",
                                    "<|end_of_text|>",
                                    "<|reserved_special_token_0|>",
                                    "<|reserved_special_token_1|>",
                                    "<|finetune_right_pad_id|>",
                                    "<|step_id|>",
                                    "<|start_header_id|>",
                                    "<|end_header_id|>",
                                    "<|eom_id|>",
                                    "<|eot_id|>",
                                    "<|python_tag|>"};
  for (int i = 2; names.size() < 256; ++i) names.push_back(fmt::format("<|reserved_special_token_{}|>", i));
  return names;
}

/// QwenLM/Qwen, tokenization_qwen.py.
std::vector<std::string> qwen_special() {
  std::vector<std::string> names = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
  for (int i = 0; i < 205; ++i) names.push_back(fmt::format("<|extra_{}|>", i));
  return names;
}

const Family& family_of(int ranks, const TokenizerConfig& config, const std::string& source) {
  static const Family kFamilies[] = {
      {"Llama 3", 128000, kLlama3Words, false, "<|begin_of_text|>", "<|end_of_text|>", llama3_special},
      {"Qwen", 151643, kQwen2Words, true, "", "<|endoftext|>", qwen_special},
  };
  for (const Family& family : kFamilies)
    if (family.ranks == ranks) return family;
  if (config.tokenizer_class.starts_with("Qwen")) return kFamilies[1];
  throw UnsupportedError(
      "{}: {} ranks; only Llama 3's (128000) and Qwen's (151643) are known, as ranks alone do not say "
      "how a text is cut into words (a tokenizer.json does)",
      source, ranks);
}

/// The pieces in byte-level characters, their rank the id.
std::shared_ptr<Vocabulary> parse_ranks(std::string_view text, const std::string& source) {
  auto vocabulary = std::make_shared<Vocabulary>();
  for (int line = 1; !text.empty(); ++line) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view row = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (row.ends_with('\r')) row.remove_suffix(1);
    if (row.empty()) continue;
    std::string where = fmt::format("{}: line {}", source, line);
    size_t space = row.find(' ');
    auto bytes = decode_base64(row.substr(0, space));
    int64_t rank = -1;
    std::string_view number = space == row.npos ? std::string_view() : row.substr(space + 1);
    auto [last, error] = std::from_chars(number.data(), number.data() + number.size(), rank);
    if (!bytes || bytes->empty() || error != std::errc() || last != number.data() + number.size())
      throw InputError("{}: expected base64, a space and a rank, found \"{}\"", where, row.substr(0, 80));
    vocabulary->add(to_byte_level(*bytes), rank, where);
  }
  for (unsigned byte = 0; byte < 256; ++byte)
    if (!vocabulary->find(byte_level_chars()[byte]))
      throw InputError("{}: no rank for the byte {}", source, byte);
  return vocabulary;
}

}  // namespace

Pipeline parse_tiktoken(std::string_view text, std::vector<AddedToken> added, const TokenizerConfig& config,
                        const std::string& source) {
  auto vocabulary = parse_ranks(text, source);
  const Family& family = family_of(vocabulary->size(), config, source);

  if (added.empty())
    for (const std::string& name : family.special())
      added.push_back(
          {name, static_cast<TokenId>(vocabulary->size() + static_cast<int>(added.size())), true});

  std::vector<int32_t> ranks(static_cast<size_t>(vocabulary->size()));
  for (size_t id = 0; id < ranks.size(); ++id) ranks[id] = static_cast<int32_t>(id);
  BpeOptions options;
  options.ignore_merges = true;

  Pipeline pipeline;
  pipeline.model = std::make_unique<Bpe>(vocabulary, merges_of_all_splits(*vocabulary, ranks), options);
  if (family.nfc) pipeline.normalizer = parse_normalizer({{"type", "NFC"}}, source);
  pipeline.pre_tokenizer = parse_pre_tokenizer(byte_level_words({std::string(family.words)}), source);
  pipeline.decoder = parse_decoder({{"type", "ByteLevel"}}, source);
  pipeline.added = AddedTokens(std::move(added), pipeline.normalizer.get(), source);
  pipeline.bos = pipeline.added.find(family.bos);
  if (auto eos = pipeline.added.find(family.eos)) pipeline.eos = {*eos};
  if (pipeline.bos) pipeline.post_processor.before = {*pipeline.bos};
  pipeline.vocabulary = std::move(vocabulary);
  return pipeline;
}

}  // namespace halftone
