#include "tokenizer/pipeline.h"

#include <algorithm>

#include "tokenizer/unicode.h"

namespace halftone {

namespace {

/// Words met before in one text, with their ids: natural text repeats itself.
class WordCache {
 public:
  /// Appends the ids of `word`.
  void encode(const SubwordModel& model, std::string_view word, std::vector<TokenId>& ids) {
    if (word.size() > kMaxWord) return model.encode(word, ids);
    if (auto found = places_.find(word); found != places_.end()) {
      auto [begin, count] = found->second;
      ids.insert(ids.end(), ids_.begin() + begin, ids_.begin() + begin + count);
      return;
    }
    size_t before = ids.size();
    model.encode(word, ids);
    if (places_.size() >= kMaxWords) return;
    places_.emplace(word,
                    Place{static_cast<int32_t>(ids_.size()), static_cast<int32_t>(ids.size() - before)});
    ids_.insert(ids_.end(), ids.begin() + static_cast<std::ptrdiff_t>(before), ids.end());
  }

 private:
  static constexpr size_t kMaxWord = 64;
  static constexpr size_t kMaxWords = 1 << 16;
  struct Place {
    int32_t begin, count;
  };
  StringMap<Place> places_;
  std::vector<TokenId> ids_;
};

class PipelineTokenizer final : public Tokenizer {
 public:
  explicit PipelineTokenizer(Pipeline pipeline) : p_(std::move(pipeline)) {}

  std::vector<TokenId> encode(std::string_view text, bool add_special, bool parse_special) const override {
    constexpr size_t kMaxText = size_t{1} << 30;
    if (text.size() > kMaxText)
      throw InputError("a text of {} bytes; at most {} are encoded at once", text.size(), kMaxText);
    std::string repaired;
    if (!is_utf8(text)) text = repaired = repair_utf8(text);
    std::vector<TokenId> ids;
    ids.reserve(text.size() / 4 + 16);
    const PostProcessor& around = p_.post_processor;
    if (add_special) ids = around.before;
    WordCache cache;
    for (const auto& part : p_.added.split_raw(text, parse_special)) {
      if (part.id) {
        ids.push_back(*part.id);
      } else {
        encode_part(text.substr(part.begin, part.end - part.begin), part.begin == 0, parse_special, cache,
                    ids);
      }
    }
    if (add_special) ids.insert(ids.end(), around.after.begin(), around.after.end());
    return ids;
  }

  int vocab_size() const override { return std::max(p_.vocabulary->size(), p_.added.largest_id() + 1); }
  std::optional<TokenId> bos() const override { return p_.bos; }
  std::vector<TokenId> eos() const override { return p_.eos; }

  std::string_view piece(TokenId id) const override {
    const AddedToken* token = p_.added.by_id(id);
    return token ? std::string_view(token->text) : p_.vocabulary->piece(id);
  }
  std::optional<TokenId> find(std::string_view piece) const override {
    auto id = p_.added.find(piece);
    return id ? id : p_.vocabulary->find(piece);
  }
  bool is_special(TokenId id) const override {
    const AddedToken* token = p_.added.by_id(id);
    return token && token->special;
  }
  DecoderChain decoder() const override { return p_.decoder.fresh(); }

 private:
  void encode_part(std::string_view text, bool begins_input, bool parse_special, WordCache& cache,
                   std::vector<TokenId>& ids) const {
    std::string normalized = p_.normalizer ? p_.normalizer->apply(std::string(text)) : std::string(text);
    for (const auto& part : p_.added.split_normalized(normalized, parse_special)) {
      if (part.id) {
        ids.push_back(*part.id);
        continue;
      }
      Words words{normalized.substr(part.begin, part.end - part.begin), {}, begins_input && part.begin == 0};
      words.ranges.push_back({0, words.text.size()});
      if (p_.pre_tokenizer) p_.pre_tokenizer->apply(words);
      for (size_t i = 0; i < words.ranges.size(); ++i) encode_word(words[i], cache, ids);
    }
  }

  void encode_word(std::string_view word, WordCache& cache, std::vector<TokenId>& ids) const {
    constexpr size_t kShort = 32;  // bytes; not worth a closer look
    for (size_t at = 0; at < word.size();) {
      size_t end = word.size() <= kShort ? word.size() : p_.model->part_end(word, at);
      cache.encode(*p_.model, word.substr(at, end - at), ids);
      at = end;
    }
  }

  Pipeline p_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_pipeline(Pipeline pipeline, const std::string& source) {
  auto check = [&](TokenId id, const char* what) {
    if (!pipeline.vocabulary->has(id) && !pipeline.added.by_id(id))
      throw InputError("{}: {} is id {}, which is not in the vocabulary", source, what, id);
  };
  for (TokenId id : pipeline.post_processor.before) check(id, "a token before every text");
  for (TokenId id : pipeline.post_processor.after) check(id, "a token behind every text");
  if (pipeline.bos) check(*pipeline.bos, "the token that begins a text");
  for (TokenId id : pipeline.eos) check(id, "a token that ends a text");
  return std::make_unique<PipelineTokenizer>(std::move(pipeline));
}

}  // namespace halftone
