namespace Dnabert2.Folders;

/// <summary>The names of weights in the model, whatever training scripts have wrapped around them.</summary>
internal static class WeightNames
{
    public const string EncoderPrefix = "bert.", WordEmbeddings = "bert.embeddings.word_embeddings.weight";
    public const string Decoder = "cls.predictions.decoder.weight", DecoderBias = "cls.predictions.decoder.bias",
        HeadBias = "cls.predictions.bias";

    // DataParallel, torch.compile, FullyShardedDataParallel and checkpointed activations wrap a model or any part of it; no part of
    // DNABERT-2 has such a name.
    private static readonly string[] Wrappers = ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

    // PEFT and Lightning hold the whole model under these.
    private static readonly string[] Fronts = ["base_model", "model"];

    // What a model begins with that was saved as an encoder alone.
    private static readonly string[] EncoderParts = ["embeddings.", "encoder.", "pooler."];

    /// <summary>A name without wrappers.</summary>
    public static string Unwrapped(string stored)
    {
        string[] parts = stored.Split('.');
        string[] kept = [.. parts.Where(part => !Wrappers.Contains(part)).SkipWhile(part => Fronts.Contains(part))];
        return kept.Length == parts.Length || kept.Length == 0 ? stored : string.Join('.', kept);
    }

    /// <summary>The name in a model of one that may be of an encoder saved alone, without <c>bert.</c></summary>
    public static string InModel(string unwrapped) =>
        Array.Exists(EncoderParts, part => unwrapped.StartsWith(part, StringComparison.Ordinal)) ? EncoderPrefix + unwrapped : unwrapped;
}
