using System.IO.Hashing;
using Dnabert2.Files;

namespace Dnabert2.Tool.Pieces;

/// <summary>Puts pieces together: the blocks of all, in the order of the input, are the result of one run, byte for byte.</summary>
/// <param name="set">The pieces.</param>
/// <param name="cancellation">Ends the work.</param>
internal sealed class Merger(PieceSet set, CancellationToken cancellation)
{
    private readonly byte[] _buffer = new byte[1 << 20];

    /// <summary>
    /// The files of the result, in the order of those of a piece. Those beside the main one are called as in one run: after the result, if
    /// the pieces' are called after the piece, else by their own names, in its folder.
    /// </summary>
    /// <param name="path">The main file.</param>
    public string[] FilesOf(string path)
    {
        BlockRecord first = set.Pieces[0].Record;
        string[] names = [.. first.Files.Select(file => first.Shard.ResultOf(file.Name) ?? file.Name)];
        string stem = Path.ChangeExtension(names[0], null) + ".", folder = Path.GetDirectoryName(path) ?? "";
        return [path, .. names.Skip(1).Select(name => name.StartsWith(stem, StringComparison.Ordinal)
            ? Path.ChangeExtension(path, null) + name[(stem.Length - 1)..] : Path.Combine(folder, name))];
    }

    /// <summary>Writes the result.</summary>
    /// <param name="paths">Its files, as <see cref="FilesOf"/> gives them.</param>
    /// <param name="progress">Told the bytes that are written, now and then.</param>
    /// <exception cref="InvalidDataException">A piece is not what was written.</exception>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    public void Write(string[] paths, Action<long> progress)
    {
        BlockRecord first = set.Pieces[0].Record;
        using var files = new ResultFiles();
        long written = 0;
        for (int i = 0; i < paths.Length; i++)
        {
            var file = new BlockFile(paths[i], files.Add(paths[i])) { Format = first.Files[i].Format };
            var notes = new List<string>();
            FileStream[] pieces = OpenAll(i);
            try
            {
                CopyHead(pieces[0], first.Files[i].Head, file);
                for (long block = 0; block < set.Blocks; block++)
                {
                    Copy(pieces, i, block, file, notes);
                    progress(written + file.Stream.Position);
                }
            }
            finally
            {
                foreach (FileStream piece in pieces) piece.Dispose();
            }

            written += file.Stream.Position;
            file.Complete(notes);
        }

        if (!first.Files[0].Format.HoldsRecord) files.Add(paths[0] + RunRecord.Extension).Write(first.Run.Json);
        files.Commit();
    }

    private FileStream[] OpenAll(int file)
    {
        var opened = new List<FileStream>();
        try
        {
            foreach (Piece piece in set.Pieces)
                opened.Add(new FileStream(piece.FileOf(file), FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0));
            return [.. opened];
        }
        catch
        {
            foreach (FileStream stream in opened) stream.Dispose();
            throw;
        }
    }

    private void CopyHead(FileStream piece, long bytes, BlockFile file)
    {
        Copy(piece, bytes, file, hash: null);
        file.EndHead();
    }

    private void Copy(FileStream[] pieces, int file, long block, BlockFile to, List<string> notes)
    {
        cancellation.ThrowIfCancellationRequested();
        int index = (int)(block % pieces.Length);
        BlockRecord record = set.Pieces[index].Record;
        int place = (int)(block / pieces.Length);
        long start = place == 0 ? record.Files[file].Head : record.Blocks[place - 1][file].End;
        BlockPart part = record.Blocks[place][file];
        var hash = new XxHash3();
        pieces[index].Position = start;
        Copy(pieces[index], part.End - start, to, hash);
        if (Convert.ToHexStringLower(hash.GetCurrentHash()) != part.Hash)
            throw new InvalidDataException(
                $"{pieces[index].Name}: bytes {start} to {part.End} are not what was written there; compute the piece again");
        notes.Add(part.Note);
    }

    private void Copy(FileStream from, long bytes, BlockFile to, XxHash3? hash)
    {
        while (bytes > 0)
        {
            int read = from.Read(_buffer, 0, (int)Math.Min(bytes, _buffer.Length));
            if (read == 0) throw new InvalidDataException($"{from.Name}: became shorter while it was read");
            to.Stream.Write(_buffer.AsSpan(0, read));
            hash?.Append(_buffer.AsSpan(0, read));
            bytes -= read;
        }
    }
}
