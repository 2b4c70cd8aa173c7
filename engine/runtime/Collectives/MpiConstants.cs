using System.Runtime.InteropServices;

namespace Engine.Runtime.Collectives;

/// <summary>
/// The values that <c>mpi.h</c> gives to what a program names, which differ between libraries: in MPICH and its kin handles are numbers of
/// 32 bits, in Open MPI addresses of objects of the library, and in the standard binary interface of MPI 5 small numbers in pointers.
/// </summary>
/// <param name="World">MPI_COMM_WORLD.</param>
/// <param name="Byte">MPI_BYTE.</param>
/// <param name="ErrorsReturn">MPI_ERRORS_RETURN.</param>
/// <param name="NullRequest">MPI_REQUEST_NULL.</param>
/// <param name="IgnoreStatus">MPI_STATUS_IGNORE.</param>
/// <param name="Serialized">MPI_THREAD_SERIALIZED.</param>
internal readonly record struct MpiConstants(
    nint World, nint Byte, nint ErrorsReturn, nint NullRequest, nint IgnoreStatus, int Serialized)
{
    /// <summary>MPI 5.0, chapter 20: the application binary interface.</summary>
    public static readonly MpiConstants Standard = new(0x101, 0x247, 0x143, 0x180, 0, 2048);

    /// <summary>MPICH 3 and 4, and those that keep its binary interface: Intel MPI, MVAPICH, Cray MPICH.</summary>
    public static readonly MpiConstants Mpich = new(0x44000000, 0x4c00010d, 0x54000001, 0x2c000000, 1, 2);

    /// <summary>Those of a library, by what it calls itself; null where that is none of these.</summary>
    /// <param name="version">The text of <c>MPI_Get_library_version</c>.</param>
    /// <param name="library">The library.</param>
    /// <param name="isStandard">Whether it is the library of the standard interface.</param>
    public static MpiConstants? Of(string version, nint library, bool isStandard)
    {
        if (isStandard) return Standard;
        if (version.StartsWith("Open MPI", StringComparison.Ordinal))
            return new MpiConstants(
                NativeLibrary.GetExport(library, "ompi_mpi_comm_world"), NativeLibrary.GetExport(library, "ompi_mpi_byte"),
                NativeLibrary.GetExport(library, "ompi_mpi_errors_return"), NativeLibrary.GetExport(library, "ompi_request_null"), 0, 2);
        foreach (string kin in (ReadOnlySpan<string>)["MPICH", "Intel(R) MPI", "MVAPICH", "CRAY MPICH"])
            if (version.Contains(kin, StringComparison.Ordinal)) return Mpich;
        return null;
    }
}
