using Engine.Kernels;

namespace Dnabert2.Folders;

/// <summary>What is otherwise in a model than its folder's <c>config.json</c> says.</summary>
/// <param name="Labels">The outputs of the classifier; null: what the config says.</param>
/// <param name="Dropout">Dropout of activations and of the classifier; null: what the config says.</param>
/// <param name="Pooling">How tokens become what a DNABERT-2 classifies; null: what the config says.</param>
internal readonly record struct ConfigChanges(int? Labels = null, float? Dropout = null, Pooling? Pooling = null);
