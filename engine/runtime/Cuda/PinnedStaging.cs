namespace Engine.Runtime.Cuda;

/// <summary>
/// Page-locked memory through which data passes to and from the GPU. Uploads return as soon as the data is in it: it has two halves,
/// and one is filled again only when what it held has arrived.
/// </summary>
internal sealed unsafe class PinnedStaging : IDisposable
{
    private const int HalfBytes = 4 << 20;
    private const uint NoTiming = 2;
    private readonly ICudaDriver _driver;
    private readonly CudaContext _context;
    private readonly nint _memory;
    private readonly nint[] _arrived = new nint[2];
    private int _half;
    private int _used;

    public PinnedStaging(ICudaDriver driver, CudaContext context)
    {
        (_driver, _context) = (driver, context);
        driver.Check(driver.MemoryHostAllocate(out _memory, 2 * HalfBytes, 0), "cuMemHostAlloc");
        for (int i = 0; i < 2; i++) driver.Check(driver.EventCreate(out _arrived[i], NoTiming), "cuEventCreate");
    }

    public void Upload(ReadOnlySpan<byte> source, nint destination)
    {
        while (!source.IsEmpty)
        {
            if (_used == HalfBytes) Turn();
            int length = Math.Min(source.Length, HalfBytes - _used);
            nint place = _memory + (_half * HalfBytes) + _used;
            source[..length].CopyTo(new Span<byte>((void*)place, length));
            _context.CheckWork(_driver.CopyHostToDeviceAsync(destination, place, (nuint)length, _context.Stream), "cuMemcpyHtoDAsync");
            _used += length;
            destination += length;
            source = source[length..];
        }
    }

    public void Download(nint source, Span<byte> destination)
    {
        // Everything has arrived when this waits, so both halves are free.
        while (!destination.IsEmpty)
        {
            _context.Synchronize();
            int length = Math.Min(destination.Length, 2 * HalfBytes);
            _context.CheckWork(_driver.CopyDeviceToHostAsync(_memory, source, (nuint)length, _context.Stream), "cuMemcpyDtoHAsync");
            _context.Synchronize();
            new ReadOnlySpan<byte>((void*)_memory, length).CopyTo(destination);
            source += length;
            destination = destination[length..];
        }

        (_half, _used) = (0, 0);
    }

    public void Dispose()
    {
        foreach (nint e in _arrived) _ = _driver.EventDestroy(e);
        _ = _driver.MemoryHostFree(_memory);
    }

    private void Turn()
    {
        _context.CheckWork(_driver.EventRecord(_arrived[_half], _context.Stream), "cuEventRecord");
        _half = 1 - _half;
        _used = 0;
        _context.CheckWork(_driver.EventSynchronize(_arrived[_half]), "cuEventSynchronize");
    }
}
