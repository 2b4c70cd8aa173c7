using Engine.Kernels;

namespace Engine.Runtime;

/// <summary>
/// Work of one thread on a backend, from its making until it is disposed, that ends with <see cref="OperationCanceledException"/> when it
/// is cancelled: before an operation begins, and on the CPU also in the midst of one that takes long.
/// </summary>
internal sealed class CancellableWork : IDisposable
{
    private readonly Backend _backend;
    private readonly StopFlag _flag = new();
    private readonly CancellationTokenRegistration _registration;

    public CancellableWork(Backend backend, CancellationToken cancellation)
    {
        (_backend, Cancellation) = (backend, cancellation);
        _registration = cancellation.UnsafeRegister(static flag => ((StopFlag)flag!).Raise(), _flag);
        _backend.WorkOfThread = this;
    }

    public CancellationToken Cancellation { get; }

    /// <summary>What the workers look at.</summary>
    public unsafe int* Stop => _flag.Word;

    public void Dispose()
    {
        _backend.WorkOfThread = null;
        // Waits for a callback that is running: the flag is there until it has returned.
        _registration.Dispose();
        _flag.Dispose();
    }
}
