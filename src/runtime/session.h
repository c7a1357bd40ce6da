#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/plan.h"

namespace halftone {

/// Sees the values of a running graph, planar and of their own type however they are stored. Both arguments
/// live only during the call.
using Observer = std::function<void(const Value& value, const TensorView& tensor)>;

/// Told of each step of a run, by its position, and how long it took.
using StepClock = std::function<void(size_t step, double milliseconds)>;

/// Runs a plan. Holds the arena for intermediate values and the states bound to it. Not thread-safe; sessions
/// of one plan are independent.
class Session {
 public:
  Session(std::shared_ptr<const Plan> plan, ThreadPool& threads);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// The state stays the caller's and must outlive the session's runs.
  void bind_state(std::string_view input, State& state);
  /// Called with every intermediate value and output that a run makes.
  void observe(Observer observer) { observer_ = std::move(observer); }
  /// Called with every step that runs something (aliases do not).
  void clock_steps(StepClock clock) { clock_ = std::move(clock); }

  /// Takes every non-state graph input by name; symbolic dimensions are read off their shapes. Throws
  /// InputError on a missing or unknown input, a wrong type, contradicting dimensions, or a symbol out of its
  /// range.
  void run(const std::map<std::string, TensorView>& inputs);

  /// An output of the last run; valid until the next.
  TensorView output(std::string_view name) const;
  /// The same where the run left it: what it computed lies in Plan::memory(), where the plan has one.
  TensorView output_in_place(std::string_view name) const;

  /// Bytes of the arena and workspace so far.
  size_t arena_bytes() const;
  /// Bytes of it that kernels had as workspace in the last run; the rest holds values.
  size_t workspace_bytes() const;
  const Plan& plan() const { return *plan_; }

 private:
  struct Binding;  ///< everything derived from one set of concrete dimensions
  void run_bound(const std::map<std::string, TensorView>& inputs);
  Binding& bind(const std::map<std::string, TensorView>& inputs);
  void place_known(Binding& binding);
  void upload_known(const Binding& binding);
  void place_operands(Binding& binding);
  void run_steps(Binding& binding);
  void run_on_host(const Binding& binding, size_t node);
  std::byte* arena(size_t bytes);
  Tensor on_host(const TensorView& view) const;
  ValueId output_id(std::string_view name) const;
  void show(const Value& value, const TensorView& stored) const;
  TensorView alias_view(const Binding& binding, size_t node) const;

  std::shared_ptr<const Plan> plan_;
  ThreadPool& threads_;
  std::map<ValueId, State*> states_;
  std::map<std::vector<int64_t>, std::unique_ptr<Binding>> bindings_;
  Binding* last_ = nullptr;
  Tensor arena_;                             ///< where the plan's values lie in the host's memory
  std::shared_ptr<std::byte> device_arena_;  ///< where they do not
  size_t device_arena_bytes_ = 0;
  std::vector<std::byte> given_;                  ///< inputs side by side, on their way to the device
  mutable std::map<ValueId, Tensor> fetched_;     ///< outputs copied from the device since the last run
  std::map<ValueId, TensorView> passed_through_;  ///< outputs that are inputs
  void run_step(const Binding& binding, size_t step, std::span<std::byte> workspace);
  Observer observer_;
  StepClock clock_;
  double first_run_ms_ = 0;
};

}  // namespace halftone
