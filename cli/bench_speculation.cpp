#include "cli/bench_speculation.h"

#include <algorithm>
#include <stdexcept>

#include "base/error.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "cli/table.h"

namespace halftone::cli {
namespace {

struct Text {
  const char* name;
  const char* prompt;
};

constexpr Text kTexts[] = {
    {"repetitive",
     "The king said to the fox: Go into the forest. The fox went into the forest.\n"
     "The king said to the bear: Go into the forest. The bear went into the forest.\n"
     "The king said to the wolf: Go into the forest. The wolf went into the forest.\n"
     "The king said to the fox: Go into the forest."},
    {"plain", "There was once a woman who lived with her two sons in a small house by the sea, and"},
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[values.size() / 2] + values[(values.size() - 1) / 2]) / 2;
}

struct Row {
  const char* text;
  std::vector<double> plain, guessing;  ///< tokens per second
  GenerationStats stats;                ///< of the last run with guesses
  double gain() const { return median(guessing) / median(plain); }
};

Row measure(const TextModel& text, const Text& prompt, Drafter& drafter, int draft_tokens, int tokens,
            int repetitions, const std::function<void(int, int)>& progress) {
  const std::vector<TokenId> ids = text.model.tokenizer->encode(prompt.prompt);
  if (static_cast<int>(ids.size()) + tokens > text.engine->context())
    throw UsageError("-n {}: with a prompt of {} tokens that exceeds the context of {}", tokens, ids.size(),
                     text.engine->context());
  Row row{prompt.name, {}, {}, {}};
  GenerationOptions options;
  options.sampling.temperature = 0;
  options.max_tokens = tokens;  // no end tokens: answers are equally long
  options.draft_tokens = draft_tokens;
  std::vector<TokenId> answer;
  for (int repetition = 0; repetition <= repetitions; ++repetition)
    for (Drafter* by : {static_cast<Drafter*>(nullptr), &drafter}) {
      options.drafter = by;
      Sequence sequence = text.engine->new_sequence();
      const Generation made = generate(*text.engine, sequence, *text.model.tokenizer, ids, options);
      if (answer.empty()) answer = made.tokens;
      if (made.tokens != answer) throw std::logic_error("guesses changed the answer");
      if (by) row.stats = made.stats;
      if (repetition > 0) (by ? row.guessing : row.plain).push_back(made.stats.decode_tokens_per_s());
      progress(2 * repetition + (by ? 2 : 1), 2 * (repetitions + 1));
    }
  return row;
}

}  // namespace

void bench_speculation(const ModelOptions& model, const SpeculateOptions& speculate, int tokens,
                       int repetitions) {
  const TextModel text = open_text_model(model);
  const std::unique_ptr<Drafter> drafter = make_drafter(speculate, text, model);
  std::vector<Row> rows;
  for (const Text& prompt : kTexts) {
    Progress progress(prompt.name, model.json);
    rows.push_back(measure(text, prompt, *drafter, speculate.draft_tokens, tokens, repetitions,
                           [&](int done, int total) { progress.update(done, total); }));
  }
  if (model.json) {
    OrderedJson report = {{"model", model.model},       {"threads", text.threads->size()},
                          {"speculate", speculate.by},  {"draft_tokens", speculate.draft_tokens},
                          {"generated_tokens", tokens}, {"rows", OrderedJson::array()}};
    for (const Row& row : rows) {
      OrderedJson json = speculation_json(*drafter, row.stats);
      json["text"] = row.text;
      json["tokens_per_s_without"] = median(row.plain);
      json["tokens_per_s_with"] = median(row.guessing);
      json["gain"] = row.gain();
      report["rows"].push_back(json);
    }
    return print_json(report);
  }
  Table table({{"text", Table::Align::left},
               {"tok/s without"},
               {"tok/s with"},
               {"gain"},
               {"guesses", Table::Align::left}});
  for (const Row& row : rows)
    table.add_row({row.text, fmt::format("{:.2f}", median(row.plain)),
                   fmt::format("{:.2f}", median(row.guessing)), fmt::format("{:.2f}x", row.gain()),
                   speculation_text(*drafter, row.stats)});
  print_text(table.str());
}

}  // namespace halftone::cli
