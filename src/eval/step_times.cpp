#include "eval/step_times.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "eval/graph_speed.h"
#include "llm/sampler.h"

namespace halftone {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

}  // namespace

std::vector<StepPart> measure_step_parts(Engine& engine, const SpeedTest& test) {
  const bool prefill = test.phase == SpeedTest::Phase::prefill;
  SpeedTexts texts = begin_test(engine, test);
  std::vector<Sequence>& sequences = texts.sequences;
  const std::span<const TokenId> timed = texts.timed(test);

  const Plan& plan = engine.plan();
  std::vector<std::vector<double>> times(plan.steps().size());
  std::vector<double> drawing, between;
  double inside = 0;
  Sampler sampler(SamplingOptions{});
  engine.session().clock_steps([&](size_t step, double milliseconds) {
    times[step].push_back(milliseconds);
    inside += milliseconds;
  });
  const size_t count = prefill ? 3 : timed.size();
  for (size_t i = 0; i < count; ++i) {
    inside = 0;
    const auto start = Clock::now();
    if (prefill) {
      sequences.front().truncate(test.depth);
      engine.extend(sequences.front(), timed);
    } else {
      std::vector<Engine::Feed> feeds;
      for (Sequence& sequence : sequences) feeds.push_back({&sequence, timed.subspan(i, 1)});
      engine.step(feeds);
    }
    engine.wait();
    between.push_back(since(start) - inside);
    const auto drawn = Clock::now();
    const TensorView logits = engine.logits();
    sampler.sample(logits.span<float>().first(static_cast<size_t>(logits.shape[1])), {});
    drawing.push_back(since(drawn));
  }
  engine.session().clock_steps({});

  std::map<std::string, StepPart> by_name;
  for (size_t n = 0; n < times.size(); ++n) {
    if (times[n].empty()) continue;
    const Node& node = plan.graph().nodes()[static_cast<size_t>(plan.steps()[n].node)];
    StepPart& part = by_name[std::string(node.schema->name)];
    const double runs =
        static_cast<double>(times[n].size()) / static_cast<double>(count);  // chunks of a prompt
    ++part.nodes;
    part.milliseconds += latency_of(times[n]).median * runs;
  }
  std::vector<StepPart> parts;
  for (auto& [name, part] : by_name) parts.push_back({name, part.nodes, part.milliseconds});
  std::stable_sort(parts.begin(), parts.end(),
                   [](const StepPart& a, const StepPart& b) { return a.milliseconds > b.milliseconds; });
  parts.push_back({"sampling", 0, latency_of(drawing).median});
  parts.push_back({"between operators", 0, latency_of(between).median});
  return parts;
}

}  // namespace halftone
