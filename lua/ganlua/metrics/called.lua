--- What measures are called elsewhere, and here.

return {
  fid = "frechet", frechet_distance = "frechet", frechet_inception_distance = "frechet",
  kernel_inception_distance = "kid", mmd = "kid",
  inception_score = "classifier_score", is = "classifier_score",
  swd = "sliced_wasserstein", wasserstein = "sliced_wasserstein",
  precision = "precision_recall", recall = "precision_recall", improved_precision_recall = "precision_recall",
  density = "density_coverage", coverage = "density_coverage", prdc = "density_coverage",
}
