namespace Engine.Runtime.Cuda;

/// <summary>
/// The CUDA driver refused a call, or a kernel has failed. After a failed kernel the device's context is lost: every further operation
/// of its backend throws this again, with the first message; memory can still be returned.
/// </summary>
public sealed class CudaException : Exception
{
    internal CudaException(CudaResult result, string message)
        : base(message) => Code = (int)result;

    /// <summary>The driver's error code, a <c>CUresult</c>.</summary>
    public int Code { get; }
}
