using Engine.Runtime.Cuda;

namespace Engine.Runtime.Collectives;

/// <summary>
/// Ranks with a GPU each, whose memory NCCL moves, on the stream of its backend and in the order of what is launched there. What lies in
/// the memory of processes goes the way that connects these.
/// </summary>
internal sealed unsafe class NcclCommunicator : Communicator
{
    private readonly NcclLibrary _nccl;
    private readonly Communicator _hosts;
    private readonly CudaBackend _backend;
    private nint _communicator;

    /// <summary>Connects the GPUs of all ranks.</summary>
    /// <param name="nccl">The library.</param>
    /// <param name="hosts">What connects the processes.</param>
    /// <param name="backend">This rank's GPU.</param>
    /// <exception cref="CollectiveException">NCCL cannot; its own words say why.</exception>
    public NcclCommunicator(NcclLibrary nccl, Communicator hosts, CudaBackend backend)
    {
        (_nccl, _hosts, _backend) = (nccl, hosts, backend);
        NcclId id = default;
        if (IsRoot) nccl.Check(nccl.GetUniqueId(&id), "ncclGetUniqueId");
        hosts.Broadcast(new Span<byte>(&id, NcclId.Bytes), root: 0);
        Connect(id);
    }

    public override int Rank => _hosts.Rank;

    public override int Size => _hosts.Size;

    public override string Description => $"{_hosts.Description} and {_nccl.Version}";

    internal override bool Reaches(Backend backend) => ReferenceEquals(backend, _backend);

    public override void Barrier() => _hosts.Barrier();

    public override void Broadcast(Span<byte> bytes, int root)
    {
        _hosts.Broadcast(bytes, root);
        if (Rank == root) BytesSent += (long)bytes.Length * (Size - 1);
    }

    public override void AllGather(ReadOnlySpan<byte> own, Span<byte> all)
    {
        _hosts.AllGather(own, all);
        BytesSent += (long)own.Length * (Size - 1);
    }

    internal override void Exchange(ReadOnlySpan<Transfer> transfers)
    {
        // A closure cannot hold a span.
        Transfer[] all = transfers.ToArray();
        _backend.OnStream(stream => Exchange(all, stream));
    }

    public override void Abort(int code) => _hosts.Abort(code);

    public override void Complete() => _hosts.Complete();

    /// <summary>Ends the connection of the GPUs, whatever is under way on it: other ranks may be gone.</summary>
    public override void Dispose()
    {
        if (_communicator == 0) return;
        _backend.OnStream(_ => _ = _nccl.CommAbort(_communicator));
        _communicator = 0;
    }

    private void Connect(NcclId id) => _backend.OnStream(_ =>
    {
        nint communicator;
        _nccl.Check(_nccl.CommInitRank(&communicator, Size, id, Rank), "ncclCommInitRank");
        _communicator = communicator;
    });

    private void Exchange(Transfer[] transfers, nint stream)
    {
        _nccl.Check(_nccl.GroupStart(), "ncclGroupStart");
        foreach ((int peer, nint address, int bytes, bool isSent) in transfers)
        {
            _nccl.Check(
                isSent ? _nccl.Send(address, (nuint)bytes, NcclLibrary.Byte, peer, _communicator, stream)
                : _nccl.Recv(address, (nuint)bytes, NcclLibrary.Byte, peer, _communicator, stream), isSent ? "ncclSend" : "ncclRecv");
            if (isSent) BytesSent += bytes;
        }

        _nccl.Check(_nccl.GroupEnd(), "ncclGroupEnd");
    }
}
