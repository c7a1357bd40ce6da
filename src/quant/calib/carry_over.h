#pragma once

#include "quant/calib/block_context.h"

namespace halftone {

/// The activations at a later cut: of `live`, those that `from` holds are passed on, the others computed by
/// `model`. Values of `watch` are computed in the same run; `see` is shown them and the new ones of `live`.
std::shared_ptr<ActivationStore> carry_over(const CalibrationMachine& machine, const Graph& model,
                                            const ActivationStore& from, std::span<const ValueId> live,
                                            std::span<const ValueId> watch,
                                            const CalibrationBlock::Seen& see);

/// The samples themselves: the activations before the first node. Throws InputError when a sample lacks an
/// input of the graph, or when there is no sample.
std::shared_ptr<ActivationStore> stored_samples(const CalibrationMachine& machine, const Graph& graph);

/// Everything that a graph needs to be run over `data`; `spill_folder` empty: the system's.
CalibrationMachine make_machine(const Graph& graph, const CalibrationData& data, const Backend* backend,
                                ThreadPool* threads, size_t memory, fs::path spill_folder = {});

}  // namespace halftone
