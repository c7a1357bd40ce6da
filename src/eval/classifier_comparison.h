#pragma once

#include "eval/image_accuracy.h"

namespace halftone {

/// Two classifiers on the same labelled pictures.
struct ClassifierComparison {
  TopAccuracy model, reference;
  double agreement = 0;  ///< share of pictures for which both have the same likeliest class
  double kld_mean = 0;   ///< of the model's probabilities from the reference's, nats a picture
  /// The change of top-1 lies within model.top1 - reference.top1 +- this with 95 %: a paired interval, from
  /// the pictures that one of them gets right and the other does not.
  double top1_interval = 0;
};

/// Both see the pictures in chunks, so that the scores of one chunk are held at a time; a picture that either
/// passes over counts for neither. Throws InputError when the two differ in their classes, or a label is
/// beyond them.
ClassifierComparison compare_classifiers(ImageRunner& model, ImageRunner& reference,
                                         std::span<const LabelledImage> images,
                                         const EvalProgress& progress = {});

/// Half the width of the 95 % interval of the difference of two paired shares: `gained` and `lost` of `count`
/// are right with one and wrong with the other. Normal approximation; se^2 = (g + l - (g - l)^2 / n) / n^2.
double paired_interval(int64_t gained, int64_t lost, int64_t count);

}  // namespace halftone
