namespace Dnabert2.Folders;

/// <summary>The names of weights in the model, whatever training scripts have wrapped around them.</summary>
internal static class WeightNames
{
    private const string BertPrefix = "bert.", EsmPrefix = "esm.", HyenaPrefix = "hyena.", HyenaBackbone = "backbone.";

    public const string WordEmbeddings = "bert.embeddings.word_embeddings.weight";
    public const string Decoder = "cls.predictions.decoder.weight", DecoderBias = "cls.predictions.decoder.bias",
        HeadBias = "cls.predictions.bias";

    // DataParallel, torch.compile, FullyShardedDataParallel and checkpointed activations wrap a model or any part of it; no part of
    // DNABERT-2 has such a name.
    private static readonly string[] Wrappers = ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

    // PEFT and Lightning hold the whole model under these.
    private static readonly string[] Fronts = ["base_model", "model"];

    // What a model begins with that was saved as an encoder alone; of these the last ones are of an ESM.
    private static readonly string[] EncoderParts = ["embeddings.", "encoder.", "pooler.", "contact_head."];
    private static readonly string[] EsmParts = ["contact_head.", "encoder.emb_layer_norm_after."];

    // Of models that are stored under their full names.
    private static readonly string[] Whole = [BertPrefix, EsmPrefix, HyenaPrefix, "cnn_model."];

    /// <summary>A name without wrappers.</summary>
    public static string Unwrapped(string stored)
    {
        string[] parts = stored.Split('.');
        string[] kept = [.. parts.Where(part => !Wrappers.Contains(part)).SkipWhile(part => Fronts.Contains(part))];
        return kept.Length == parts.Length || kept.Length == 0 ? stored : string.Join('.', kept);
    }

    /// <summary>
    /// What names begin with in the model whose encoder was saved alone, without <c>bert.</c>, <c>esm.</c> or <c>hyena.</c>; empty where it
    /// was not.
    /// </summary>
    public static string MissingPrefix(IReadOnlyCollection<string> unwrapped)
    {
        if (unwrapped.Any(name => Array.Exists(Whole, part => Begins(name, part)))) return "";
        if (unwrapped.Any(name => Begins(name, HyenaBackbone))) return HyenaPrefix;
        return unwrapped.Any(name => Array.Exists(EsmParts, part => Begins(name, part))) ? EsmPrefix : BertPrefix;
    }

    /// <summary>The name in a model of one that may be of an encoder saved alone.</summary>
    public static string InModel(string unwrapped, string prefix = BertPrefix)
    {
        if (prefix != HyenaPrefix) return Array.Exists(EncoderParts, part => Begins(unwrapped, part)) ? prefix + unwrapped : unwrapped;
        // HyenaDNA's own repository wraps the halves of a layer whose activations it computes again.
        return !Begins(unwrapped, HyenaBackbone) ? unwrapped : prefix + unwrapped
            .Replace(".mixer.layer.", ".mixer.", StringComparison.Ordinal).Replace(".mlp.layer.", ".mlp.", StringComparison.Ordinal);
    }

    /// <summary>
    /// Whether a tensor is in files of models and in no computation: the numbers of positions, from 0 on, the head of an ESM that predicts
    /// the contacts of proteins, and how many batches a normalisation has seen.
    /// </summary>
    public static bool IsUnused(string name) =>
        name.EndsWith(".embeddings.position_ids", StringComparison.Ordinal) || Begins(name, EsmPrefix + "contact_head.")
        || name.EndsWith(".num_batches_tracked", StringComparison.Ordinal);

    private static bool Begins(string name, string start) => name.StartsWith(start, StringComparison.Ordinal);
}
