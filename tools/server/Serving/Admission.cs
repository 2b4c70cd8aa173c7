using Dnabert2.Server.Http;

namespace Dnabert2.Server.Serving;

/// <summary>How many requests are dealt with at a time, and how much memory they take together.</summary>
/// <param name="options">The limits.</param>
internal sealed class Admission(ServerOptions options)
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);
    private int _requests;
    private long _bytes;

    /// <summary>Requests that are being dealt with.</summary>
    public int Requests => Volatile.Read(ref _requests);

    /// <summary>Bytes that they take.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>Takes a request, until it is disposed.</summary>
    /// <exception cref="RequestFault">There are too many already.</exception>
    public Admitted Admit()
    {
        if (Interlocked.Increment(ref _requests) <= options.MaxRequests) return new Admitted(this);
        Interlocked.Decrement(ref _requests);
        throw RequestFault.Overloaded($"{options.MaxRequests} requests are being dealt with; try again later", Soon);
    }

    private void Reserve(long bytes)
    {
        if (bytes > options.MaxMemoryBytes)
            throw RequestFault.TooLarge(
                $"the request would take {bytes:N0} bytes of memory, of {options.MaxMemoryBytes:N0} for all; send fewer sequences at once");
        if (Interlocked.Add(ref _bytes, bytes) <= options.MaxMemoryBytes) return;
        Interlocked.Add(ref _bytes, -bytes);
        throw RequestFault.Overloaded("the requests that are being dealt with take all memory that there is for them", Soon);
    }

    /// <summary>A request that is being dealt with.</summary>
    internal sealed class Admitted(Admission owner) : IDisposable
    {
        private long _bytes;
        private bool _disposed;

        /// <summary>Takes more memory for it, given back with it.</summary>
        /// <param name="bytes">How much it takes in all; less than before changes nothing.</param>
        /// <exception cref="RequestFault">There is not so much.</exception>
        public void ReserveUpTo(long bytes)
        {
            if (bytes <= _bytes) return;
            // What it has counts for it: a request is too large only by itself.
            owner.Reserve(bytes - _bytes);
            _bytes = bytes;
        }

        /// <summary>Takes so much more.</summary>
        /// <param name="bytes">How much more.</param>
        /// <exception cref="RequestFault">There is not so much.</exception>
        public void ReserveMore(long bytes) => ReserveUpTo(_bytes + bytes);

        public void Dispose()
        {
            if (_disposed) return;
            _disposed = true;
            Interlocked.Add(ref owner._bytes, -_bytes);
            Interlocked.Decrement(ref owner._requests);
        }
    }
}
