using System.Runtime.InteropServices;
using System.Text;

namespace Engine.Runtime.Collectives;

/// <summary>
/// The functions of an MPI library that are used, found while the program runs. All return 0 or an error that <see cref="Check"/> words.
/// </summary>
internal sealed unsafe class MpiLibrary
{
    /// <summary>The environment variable that names the library, before any other.</summary>
    public const string Variable = "DNABERT2_MPI";

    private const int TextBytes = 8192;
    private static readonly string[] OpenMpiNames = ["libmpi.so.40", "libmpi.so"], MpichNames = ["libmpich.so.12", "libmpi.so.12"],
        StandardNames = ["libmpi_abi.so.0", "libmpi_abi.so"];

    private readonly delegate* unmanaged<int, byte*, int*, int> _errorString;

    private MpiLibrary(nint library, string version, MpiConstants constants)
    {
        nint F(string name) => NativeLibrary.GetExport(library, name);
        (Version, Constants) = (version, constants);
        InitThread = (delegate* unmanaged<int*, byte***, int, int*, int>)F("MPI_Init_thread");
        Initialized = (delegate* unmanaged<int*, int>)F("MPI_Initialized");
        Finish = (delegate* unmanaged<int>)F("MPI_Finalize");
        Abort = (delegate* unmanaged<nint, int, int>)F("MPI_Abort");
        CommRank = (delegate* unmanaged<nint, int*, int>)F("MPI_Comm_rank");
        CommSize = (delegate* unmanaged<nint, int*, int>)F("MPI_Comm_size");
        CommSetErrhandler = (delegate* unmanaged<nint, nint, int>)F("MPI_Comm_set_errhandler");
        Isend = (delegate* unmanaged<nint, int, nint, int, int, nint, nint*, int>)F("MPI_Isend");
        Irecv = (delegate* unmanaged<nint, int, nint, int, int, nint, nint*, int>)F("MPI_Irecv");
        Test = (delegate* unmanaged<nint*, int*, nint, int>)F("MPI_Test");
        Ibarrier = (delegate* unmanaged<nint, nint*, int>)F("MPI_Ibarrier");
        Ibcast = (delegate* unmanaged<nint, int, nint, int, nint, nint*, int>)F("MPI_Ibcast");
        Iallgather = (delegate* unmanaged<nint, int, nint, nint, int, nint, nint, nint*, int>)F("MPI_Iallgather");
        _errorString = (delegate* unmanaged<int, byte*, int*, int>)F("MPI_Error_string");
    }

    /// <summary>What the library calls itself, in one line.</summary>
    public string Version { get; }

    public MpiConstants Constants { get; }

    // Argument count and values (none), the level of threads asked for, and that which there is.
    public delegate* unmanaged<int*, byte***, int, int*, int> InitThread { get; }

    public delegate* unmanaged<int*, int> Initialized { get; }

    public delegate* unmanaged<int> Finish { get; }

    public delegate* unmanaged<nint, int, int> Abort { get; }

    public delegate* unmanaged<nint, int*, int> CommRank { get; }

    public delegate* unmanaged<nint, int*, int> CommSize { get; }

    public delegate* unmanaged<nint, nint, int> CommSetErrhandler { get; }

    // Address, count, type, peer, tag, communicator, request.
    public delegate* unmanaged<nint, int, nint, int, int, nint, nint*, int> Isend { get; }

    public delegate* unmanaged<nint, int, nint, int, int, nint, nint*, int> Irecv { get; }

    // Request, whether it is done, status.
    public delegate* unmanaged<nint*, int*, nint, int> Test { get; }

    public delegate* unmanaged<nint, nint*, int> Ibarrier { get; }

    // Address, count, type, root, communicator, request.
    public delegate* unmanaged<nint, int, nint, int, nint, nint*, int> Ibcast { get; }

    // Address, count and type of what is sent and of what is received of each rank, communicator, request.
    public delegate* unmanaged<nint, int, nint, nint, int, nint, nint, nint*, int> Iallgather { get; }

    /// <summary>Loads the library that fits a launcher.</summary>
    /// <exception cref="CollectiveException">There is none, or none that is known.</exception>
    public static MpiLibrary Load(Launch launch)
    {
        string[] named = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } path ? [path] :
        [
            .. launch.PrefersOpenMpi ? OpenMpiNames : MpichNames, .. StandardNames,
            .. launch.PrefersOpenMpi ? MpichNames : OpenMpiNames,
        ];
        foreach (string name in named)
            if (NativeLibrary.TryLoad(name, typeof(MpiLibrary).Assembly, DllImportSearchPath.SafeDirectories, out nint library))
                return Of(library, name);
        throw new CollectiveException(
            $"{launch.Launcher} started {launch.Size} processes, and there is no MPI library here ({string.Join(", ", named)}): install "
            + $"the one of the launcher (Debian: libopenmpi3 or libmpich12), or name its file in the variable {Variable}");
    }

    /// <summary>Throws what a result says, unless it is 0.</summary>
    /// <param name="result">What a function returned.</param>
    /// <param name="function">Its name.</param>
    public void Check(int result, string function)
    {
        if (result == 0) return;
        byte* text = stackalloc byte[TextBytes];
        int length;
        string words = _errorString(result, text, &length) == 0 ? Encoding.UTF8.GetString(text, length).Trim() : $"error {result}";
        throw new CollectiveException($"{function}: {words}");
    }

    private static MpiLibrary Of(nint library, string name)
    {
        if (!NativeLibrary.TryGetExport(library, "MPI_Get_library_version", out nint address))
            throw new CollectiveException($"{name}: is no library of MPI 3 or later; name another one in the variable {Variable}");
        byte* text = stackalloc byte[TextBytes];
        int length = 0;
        var getVersion = (delegate* unmanaged<byte*, int*, int>)address;
        int result = getVersion(text, &length);
        string whole = result == 0 ? Encoding.UTF8.GetString(text, length).TrimEnd('\0', '\n', ' ') : "", version = FirstLine(whole);
        bool isStandard = Path.GetFileName(name).StartsWith("libmpi_abi", StringComparison.Ordinal);
        if (MpiConstants.Of(whole, library, isStandard) is not { } constants)
            throw new CollectiveException(
                $"{name}: calls itself '{version}', which is neither Open MPI nor MPICH or its kin; name another library in {Variable}");
        return new MpiLibrary(library, version, constants);
    }

    // Open MPI: "Open MPI v4.1.4, package: …"; MPICH: "MPICH Version:\t4.0.2\nMPICH Release date: …".
    private static string FirstLine(string text)
    {
        int end = text.AsSpan().IndexOfAny(',', '\n');
        return (end < 0 ? text : text[..end]).Replace('\t', ' ').Replace(" Version: ", " ", StringComparison.Ordinal).Trim();
    }
}
