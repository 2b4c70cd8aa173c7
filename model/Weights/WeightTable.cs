namespace Dnabert2.Weights;

/// <summary>How a weight file stores its tensors.</summary>
public enum WeightFormat
{
    /// <summary>safetensors: a JSON header and one run of bytes for each tensor.</summary>
    Safetensors,

    /// <summary>PyTorch's <c>torch.save</c> since 1.6: a zip archive of a pickle and raw storages.</summary>
    TorchZip,

    /// <summary>PyTorch's <c>torch.save</c> before 1.6: pickles, then the raw storages.</summary>
    TorchLegacy,
}

/// <summary>What a reader finds in a file: the tensors, each with its place, checked against the file's bounds.</summary>
internal sealed record WeightTable(WeightFormat Format, List<WeightEntry> Entries, Dictionary<string, string> Metadata)
{
    /// <summary>Far more than any model has.</summary>
    public const int MaxTensors = 1 << 17;

    /// <summary>Of a tensor's name.</summary>
    public const int MaxNameChars = 1024;

    /// <summary>The product of the extents; false where it exceeds 63 bits. An extent of zero makes it zero.</summary>
    public static bool TryCount(ReadOnlySpan<long> extents, out long count)
    {
        count = extents.Contains(0) ? 0 : 1;
        if (count == 0) return true;
        foreach (long extent in extents)
            if (Math.BigMul(count, extent, out count) != 0 || count < 0) return false;
        return true;
    }
}
