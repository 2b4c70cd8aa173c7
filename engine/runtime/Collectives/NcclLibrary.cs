using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Engine.Runtime.Collectives;

/// <summary>What tells the ranks of a communicator of NCCL from others: made by one of them, handed to all.</summary>
[InlineArray(Bytes)]
internal struct NcclId
{
    public const int Bytes = 128;
    private byte _first;
}

/// <summary>
/// The functions of NCCL that are used (<c>nccl.h</c> of 2.7 or later), found while the program runs. All return 0 or an error that
/// <see cref="Check"/> words.
/// </summary>
internal sealed unsafe class NcclLibrary
{
    /// <summary>ncclUint8.</summary>
    public const int Byte = 1;

    private const string Name = "libnccl.so.2";
    private const int OldestVersion = 2700;
    private readonly delegate* unmanaged<int, nint> _errorString;

    private NcclLibrary(nint library, string name)
    {
        nint F(string function) => NativeLibrary.TryGetExport(library, function, out nint address) ? address
            : throw new CollectiveException($"{name}: has no function {function}; NCCL 2.7 or later is needed");
        _errorString = (delegate* unmanaged<int, nint>)F("ncclGetErrorString");
        var getVersion = (delegate* unmanaged<int*, int>)F("ncclGetVersion");
        GetUniqueId = (delegate* unmanaged<NcclId*, int>)F("ncclGetUniqueId");
        CommInitRank = (delegate* unmanaged<nint*, int, NcclId, int, int>)F("ncclCommInitRank");
        CommAbort = (delegate* unmanaged<nint, int>)F("ncclCommAbort");
        GroupStart = (delegate* unmanaged<int>)F("ncclGroupStart");
        GroupEnd = (delegate* unmanaged<int>)F("ncclGroupEnd");
        Send = (delegate* unmanaged<nint, nuint, int, int, nint, nint, int>)F("ncclSend");
        Recv = (delegate* unmanaged<nint, nuint, int, int, nint, nint, int>)F("ncclRecv");
        int version;
        Check(getVersion(&version), "ncclGetVersion");
        if (version < OldestVersion) throw new CollectiveException($"{name}: is version {version}; NCCL 2.7 or later is needed");
        // 2.9 changed how versions are written: 2.8.4 is 2804, 2.18.3 is 21803.
        int thousand = version < 10_000 ? 1000 : 10_000;
        Version = $"NCCL {version / thousand}.{version % thousand / 100}.{version % 100}";
    }

    /// <summary>"NCCL 2.18.3".</summary>
    public string Version { get; }

    public delegate* unmanaged<NcclId*, int> GetUniqueId { get; }

    // The communicator, its ranks, its id by value, and this rank.
    public delegate* unmanaged<nint*, int, NcclId, int, int> CommInitRank { get; }

    public delegate* unmanaged<nint, int> CommAbort { get; }

    public delegate* unmanaged<int> GroupStart { get; }

    public delegate* unmanaged<int> GroupEnd { get; }

    // Address, count, type, peer, communicator, stream.
    public delegate* unmanaged<nint, nuint, int, int, nint, nint, int> Send { get; }

    public delegate* unmanaged<nint, nuint, int, int, nint, nint, int> Recv { get; }

    /// <summary>The library of this machine; null where there is none.</summary>
    /// <param name="path">Its file; null: as the system finds it.</param>
    /// <exception cref="CollectiveException">It is too old.</exception>
    public static NcclLibrary? TryLoad(string? path = null) =>
        NativeLibrary.TryLoad(path ?? Name, typeof(NcclLibrary).Assembly, DllImportSearchPath.SafeDirectories, out nint library)
            ? new NcclLibrary(library, path ?? Name) : null;

    /// <summary>Throws what a result says, unless it is 0.</summary>
    /// <param name="result">What a function returned.</param>
    /// <param name="function">Its name.</param>
    public void Check(int result, string function)
    {
        if (result != 0) throw new CollectiveException($"{function}: {Marshal.PtrToStringUTF8(_errorString(result)) ?? $"error {result}"}");
    }
}
