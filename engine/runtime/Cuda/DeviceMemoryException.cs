namespace Engine.Runtime.Cuda;

/// <summary>A GPU has no memory left for what was asked.</summary>
public sealed class DeviceMemoryException : OutOfMemoryException
{
    /// <param name="askedBytes">What was asked for.</param>
    /// <param name="freeBytes">What is free, perhaps in pieces.</param>
    /// <param name="totalBytes">What the GPU has.</param>
    internal DeviceMemoryException(long askedBytes, long freeBytes, long totalBytes)
        : base($"{Mebibytes(askedBytes)} were asked for on the GPU, {Mebibytes(freeBytes)} of its {Mebibytes(totalBytes)} are free") =>
        (AskedBytes, FreeBytes, TotalBytes) = (askedBytes, freeBytes, totalBytes);

    private DeviceMemoryException(DeviceMemoryException fault, string advice)
        : base($"{fault.Message}; {advice}", fault) =>
        (AskedBytes, FreeBytes, TotalBytes) = (fault.AskedBytes, fault.FreeBytes, fault.TotalBytes);

    /// <summary>Bytes asked for.</summary>
    public long AskedBytes { get; }

    /// <summary>Bytes free when they were asked for.</summary>
    public long FreeBytes { get; }

    /// <summary>Bytes of the GPU.</summary>
    public long TotalBytes { get; }

    /// <summary>The same, with what would fit instead.</summary>
    /// <param name="advice">The end of the sentence.</param>
    public DeviceMemoryException With(string advice) => new(this, advice);

    private static string Mebibytes(long bytes) => $"{bytes / 1048576.0:N1} MiB";
}
