namespace Engine.Kernels;

/// <summary>
/// A block of a backend's memory, aligned to 64 bytes. It lives until <see cref="Dispose"/>; the garbage collector never owns tensor
/// memory, and a backend that is disposed while storages live says so.
/// </summary>
public sealed class Storage : IDisposable
{
    private nint _address;

    internal Storage(IStorageOwner owner, nint address, long bytes)
    {
        (Owner, _address, Bytes) = (owner, address, bytes);
    }

    /// <summary>The size in bytes.</summary>
    public long Bytes { get; }

    /// <summary>The backend whose memory it is.</summary>
    internal IStorageOwner Owner { get; }

    /// <summary>The address of the first byte, in the backend's address space.</summary>
    /// <exception cref="ObjectDisposedException">The storage was disposed.</exception>
    internal nint Address
    {
        get
        {
            nint address = _address;
            ObjectDisposedException.ThrowIf(address == 0, this);
            return address;
        }
    }

    /// <summary>Returns the memory to the backend. A second call does nothing.</summary>
    public void Dispose()
    {
        nint address = Interlocked.Exchange(ref _address, 0);
        if (address != 0) Owner.Release(address, Bytes);
    }
}

/// <summary>Whose memory a storage is.</summary>
internal interface IStorageOwner
{
    /// <summary>Takes memory back.</summary>
    void Release(nint address, long bytes);
}
