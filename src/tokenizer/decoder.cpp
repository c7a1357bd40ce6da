#include "tokenizer/decoder.h"

#include <array>

#include "tokenizer/byte_level.h"
#include "tokenizer/pattern.h"
#include "tokenizer/unicode.h"
#include "tokenizer/vocabulary.h"

namespace halftone {

namespace {

constexpr std::string_view kReplacementChar = "\xEF\xBF\xBD";

std::string replace_text(std::string_view text, std::string_view from, std::string_view to,
                         size_t limit = SIZE_MAX) {
  std::string out;
  size_t done = 0;
  for (size_t at = 0; limit > 0 && !from.empty() && (at = text.find(from, done)) != std::string_view::npos;
       --limit) {
    out += text.substr(done, at - done);
    out += to;
    done = at + from.size();
  }
  out += text.substr(done);
  return out;
}

/// A stage that can be copied; `Stage` is the class derived from it.
template <class Stage>
class CopyableStage : public DecoderStage {
 public:
  std::unique_ptr<DecoderStage> fresh() const override {
    return std::make_unique<Stage>(static_cast<const Stage&>(*this));
  }
};

/// Bytes written as characters become bytes, and those UTF-8.
class ByteLevelDecoder final : public CopyableStage<ByteLevelDecoder> {
 public:
  void push(std::string piece, const Sink& next) override {
    auto bytes = from_byte_level(piece);
    held_ += bytes ? *bytes : piece;
    size_t ready = held_.size() - unfinished_utf8(held_);
    if (ready > 0) next(repair_utf8(std::string_view(held_).substr(0, ready)));
    held_.erase(0, ready);
  }
  void finish(const Sink& next) override {
    if (!held_.empty()) next(repair_utf8(held_));
  }

 private:
  std::string held_;
};

class ByteFallbackDecoder final : public CopyableStage<ByteFallbackDecoder> {
 public:
  void push(std::string piece, const Sink& next) override {
    if (auto byte = byte_of_piece(piece)) {
      held_ += static_cast<char>(*byte);
      if (unfinished_utf8(held_) == 0) finish(next);
      return;
    }
    finish(next);
    next(std::move(piece));
  }
  void finish(const Sink& next) override {
    std::string text;
    for (size_t at = 0; at < held_.size();) {
      size_t length = char_length(static_cast<unsigned char>(held_[at]));
      std::string_view one = std::string_view(held_).substr(at, length);
      bool whole = is_utf8(one);
      text += whole ? one : kReplacementChar;
      at += whole ? one.size() : 1;
    }
    held_.clear();
    if (!text.empty()) next(std::move(text));
  }

 private:
  std::string held_;
};

class MetaspaceDecoder final : public CopyableStage<MetaspaceDecoder> {
 public:
  MetaspaceDecoder(std::string replacement, bool prepended)
      : replacement_(std::move(replacement)), at_start_(prepended) {}
  void push(std::string piece, const Sink& next) override {
    next(replace_text(piece, replacement_, at_start_ ? "" : " "));
    at_start_ = false;
  }

 private:
  std::string replacement_;
  bool at_start_;
};

class WordPieceDecoder final : public CopyableStage<WordPieceDecoder> {
 public:
  WordPieceDecoder(std::string prefix, bool cleanup) : prefix_(std::move(prefix)), cleanup_(cleanup) {}
  void push(std::string piece, const Sink& next) override {
    if (!at_start_) piece = piece.starts_with(prefix_) ? piece.substr(prefix_.size()) : " " + piece;
    at_start_ = false;
    next(cleanup_ ? cleaned(std::move(piece)) : std::move(piece));
  }

 private:
  static std::string cleaned(std::string text) {
    constexpr std::array<std::array<std::string_view, 2>, 11> kRules = {{{" .", "."},
                                                                         {" ?", "?"},
                                                                         {" !", "!"},
                                                                         {" ,", ","},
                                                                         {" ' ", "'"},
                                                                         {" n't", "n't"},
                                                                         {" 'm", "'m"},
                                                                         {" do not", " don't"},
                                                                         {" 's", "'s"},
                                                                         {" 've", "'ve"},
                                                                         {" 're", "'re"}}};
    for (const auto& [from, to] : kRules) text = replace_text(text, from, to);
    return text;
  }

  std::string prefix_;
  bool cleanup_;
  bool at_start_ = true;
};

/// Behind Fuse, `whole`: all that comes is one string, so a match may lie across what is pushed.
class ReplaceDecoder final : public CopyableStage<ReplaceDecoder> {
 public:
  ReplaceDecoder(Pattern pattern, std::string content, bool whole)
      : pattern_(std::move(pattern)), content_(std::move(content)), whole_(whole) {}
  void push(std::string piece, const Sink& next) override {
    if (whole_) {
      held_ += piece;
    } else {
      next(pattern_.replace_all(piece, content_));
    }
  }
  void finish(const Sink& next) override {
    if (!held_.empty()) next(pattern_.replace_all(held_, content_));
  }

 private:
  Pattern pattern_;
  std::string content_;
  bool whole_;
  std::string held_;
};

/// Takes up to `start` and `stop` characters `content` off the ends: of every piece, or behind Fuse of the
/// whole.
class StripDecoder final : public CopyableStage<StripDecoder> {
 public:
  StripDecoder(std::string content, size_t start, size_t stop, bool whole)
      : content_(std::move(content)), start_(start), stop_(stop), whole_(whole), left_(start) {}

  void push(std::string piece, const Sink& next) override {
    if (!whole_) left_ = start_;
    std::string_view rest = piece;
    while (left_ > 0 && rest.starts_with(content_)) {
      rest.remove_prefix(content_.size());
      --left_;
    }
    if (!whole_) return next(std::string(without_end(rest)));
    if (!rest.empty()) left_ = 0;
    held_ += rest;
    std::string_view sure = without_end(held_);
    if (!sure.empty()) next(std::string(sure));
    held_.erase(0, sure.size());
  }
  void finish(const Sink& next) override {
    if (whole_) next(std::string(without_end(held_)));
  }

 private:
  std::string_view without_end(std::string_view text) const {
    for (size_t i = 0; i < stop_ && text.ends_with(content_); ++i) text.remove_suffix(content_.size());
    return text;
  }

  std::string content_;
  size_t start_, stop_;
  bool whole_;
  size_t left_;
  std::string held_;
};

/// The suffix of a word's last piece becomes a space, and at the text's end nothing.
class BpeDecoder final : public CopyableStage<BpeDecoder> {
 public:
  explicit BpeDecoder(std::string suffix) : suffix_(std::move(suffix)) {}
  void push(std::string piece, const Sink& next) override {
    if (last_) next(replace_text(*last_, suffix_, " "));
    last_ = std::move(piece);
  }
  void finish(const Sink& next) override {
    if (last_) next(replace_text(*last_, suffix_, ""));
  }

 private:
  std::string suffix_;
  std::optional<std::string> last_;
};

/// What a tokenizer.json without a decoder means.
class SpacesBetween final : public CopyableStage<SpacesBetween> {
 public:
  void push(std::string piece, const Sink& next) override {
    next(at_start_ ? std::move(piece) : " " + piece);
    at_start_ = false;
  }

 private:
  bool at_start_ = true;
};

bool metaspace_prepends(const Json& json, const std::string& where) {
  auto scheme = json_get_or<std::string>(json, "prepend_scheme", "", where);
  return scheme.empty() ? json_get_or<bool>(json, "add_prefix_space", true, where) : scheme != "never";
}

/// Appends the stages of `json`. `whole` says whether all that comes in is one string.
void parse_stages(const Json& json, const std::string& source, bool& whole,
                  std::vector<std::unique_ptr<DecoderStage>>& stages) {
  std::string where = source + ": decoder";
  auto type = json_get<std::string>(json, "type", where);
  where += " " + type;
  if (stages.size() > 64) throw InputError("{}: more than 64 decoders", source);
  auto text = [&](const char* key) { return json_get<std::string>(json, key, where); };
  auto text_or = [&](const char* key, const char* fallback) {
    return json_get_or<std::string>(json, key, fallback, where);
  };
  if (type == "Sequence") {
    for (const Json& step : json_get<std::vector<Json>>(json, "decoders", where))
      parse_stages(step, source, whole, stages);
  } else if (type == "ByteLevel") {
    stages.push_back(std::make_unique<ByteLevelDecoder>());
    whole = true;
  } else if (type == "Fuse") {
    whole = true;
  } else if (type == "Replace") {
    stages.push_back(std::make_unique<ReplaceDecoder>(Pattern(json_get<Json>(json, "pattern", where), where),
                                                      text("content"), whole));
  } else if (type == "Strip") {
    auto content = text("content");
    auto start = json_get<int64_t>(json, "start", where), stop = json_get<int64_t>(json, "stop", where);
    if (content.empty() || start < 0 || stop < 0)
      throw InputError("{}: content \"{}\", start {}, stop {}; expected a character and counts", where,
                       content, start, stop);
    stages.push_back(std::make_unique<StripDecoder>(content, static_cast<size_t>(start),
                                                    static_cast<size_t>(stop), whole));
  } else if (whole &&
             (type == "ByteFallback" || type == "Metaspace" || type == "WordPiece" || type == "BPEDecoder")) {
    throw UnsupportedError("{}: behind a step that fuses all pieces", where);
  } else if (type == "ByteFallback") {
    stages.push_back(make_byte_fallback_stage());
  } else if (type == "Metaspace") {
    stages.push_back(
        std::make_unique<MetaspaceDecoder>(text_or("replacement", "▁"), metaspace_prepends(json, where)));
  } else if (type == "WordPiece") {
    stages.push_back(std::make_unique<WordPieceDecoder>(text_or("prefix", "##"),
                                                        json_get_or<bool>(json, "cleanup", true, where)));
  } else if (type == "BPEDecoder") {
    stages.push_back(std::make_unique<BpeDecoder>(text_or("suffix", "</w>")));
  } else {
    throw UnsupportedError("{} is not known", where);
  }
}

}  // namespace

std::unique_ptr<DecoderStage> make_byte_fallback_stage() {
  return std::make_unique<ByteFallbackDecoder>();
}

DecoderChain DecoderChain::fresh() const {
  std::vector<std::unique_ptr<DecoderStage>> copies;
  for (const auto& stage : stages_) copies.push_back(stage->fresh());
  return DecoderChain(std::move(copies));
}

void DecoderChain::feed(size_t stage, std::string piece, std::string& out) {
  if (stage == stages_.size()) {
    out += piece;
    return;
  }
  stages_[stage]->push(std::move(piece),
                       [&](std::string result) { feed(stage + 1, std::move(result), out); });
}

std::string DecoderChain::push(std::string_view piece) {
  std::string out;
  feed(0, std::string(piece), out);
  return out;
}

std::string DecoderChain::finish() {
  std::string out;
  for (size_t stage = 0; stage < stages_.size(); ++stage)
    stages_[stage]->finish([&](std::string result) { feed(stage + 1, std::move(result), out); });
  return out;
}

DecoderChain parse_decoder(const Json& json, const std::string& source) {
  std::vector<std::unique_ptr<DecoderStage>> stages;
  if (json.is_null()) {
    stages.push_back(std::make_unique<SpacesBetween>());
  } else {
    bool whole = false;
    parse_stages(json, source, whole, stages);
  }
  return DecoderChain(std::move(stages));
}

}  // namespace halftone
