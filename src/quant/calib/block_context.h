#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quant/calib/activation_store.h"
#include "quant/calib/calibration.h"

namespace halftone {

/// What runs a model's pieces over the samples: the same for all blocks.
struct CalibrationMachine {
  const CalibrationData* data = nullptr;  ///< null: no data
  const Backend* backend = nullptr;
  ThreadPool* threads = nullptr;
  std::shared_ptr<ActivationPool> pool{};
  /// For each state value of the whole graph, by name: the graph input that its state comes from.
  std::map<std::string, std::string> state_origin{};
};

/// All that a CalibrationBlock knows beside its graph.
struct BlockContext {
  const CalibrationMachine& machine;
  std::string name;
  uint64_t seed = 0;
  Graph original{};
  std::vector<QuantTarget> targets{};
  std::vector<bool> shared{};  ///< by value of `original`
  std::optional<Activations> original_inputs{};
  std::optional<Activations> quantized_inputs{};
  std::string algorithm{};  ///< the one at work, for notes
  std::vector<LayerNote> notes{};
  std::map<std::string, std::unique_ptr<State>> states{};
};

/// Runs the part of `model` between what `from` holds and `values`, sample by sample. `states` keeps what
/// bind_states() made.
void run_piece(const CalibrationMachine& machine, const Graph& model, const ActivationStore& from,
               std::span<const ValueId> values, const CalibrationBlock::Seen& see,
               std::map<std::string, std::unique_ptr<State>>& states);

/// Binds each state input of the session's graph.
void bind_states(const CalibrationMachine& machine, Session& session,
                 std::map<std::string, std::unique_ptr<State>>& states);

}  // namespace halftone
