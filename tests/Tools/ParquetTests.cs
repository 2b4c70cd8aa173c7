using System.Buffers.Binary;
using System.Text;
using Parquet;
using Parquet.Schema;
using Tests.Weights;

namespace Tests.Tools;

public class ParquetTests(ToyModel toy) : IClassFixture<ToyModel>
{
    [Fact]
    public async Task Parquet_holds_the_vectors_of_the_matrix_and_the_columns_of_the_table()
    {
        using var folder = new TempFolder();
        string[] what = ["embed", ToyModel.SamplePath, "--model", toy.Folder, "--device", "cpu", "--window", "64", "--step", "32", "-o"];
        ToolRun.Of([.. what, folder["x.parquet"]]).Succeeds();
        ToolRun.Of([.. what, folder["x.npy"]]).Succeeds();
        var matrix = new Npy(folder["x.npy"]);
        string[][] rows = [.. File.ReadAllLines(folder["x.ids.tsv"]).Select(line => line.Split('\t'))];
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await using ParquetReader reader = await ParquetReader.CreateAsync(folder["x.parquet"], cancellationToken: cancellation);
        using ParquetRowGroupReader group = reader.OpenRowGroupReader(0);
        Assert.Equal((1, matrix.Rows), (reader.RowGroupCount, (int)group.RowCount));
        foreach (DataField field in reader.Schema.GetDataFields())
        {
            string name = field.Path.FirstPart!;
            int column = Array.IndexOf(rows[0], name);
            if (name == "vector")
            {
                float[] values = new float[matrix.Values.Length];
                int[] definitions = new int[values.Length], repetitions = new int[values.Length];
                await group.ReadRawAsync<float>(field, values, definitions, repetitions, cancellation);
                Assert.Equal(matrix.Values, values);
                Assert.All(repetitions.Select((r, i) => (r, i)), pair => Assert.Equal(pair.i % matrix.Columns == 0 ? 0 : 1, pair.r));
                continue;
            }

            string[] expected = [.. rows.Skip(1).Select(row => row[column])];
            if (field.ClrType == typeof(long))
            {
                long[] values = new long[matrix.Rows];
                await group.ReadAsync<long>(field, values, cancellationToken: cancellation);
                Assert.Equal(expected, values.Select(v => v.ToString(System.Globalization.CultureInfo.InvariantCulture)));
            }
            else if (field.ClrType == typeof(bool))
            {
                bool[] values = new bool[matrix.Rows];
                await group.ReadAsync<bool>(field, values, cancellationToken: cancellation);
                Assert.Equal(expected, values.Select(v => v ? "yes" : "no"));
            }
            else
            {
                string[] values = new string[matrix.Rows];
                await group.ReadAsync(field, values, cancellationToken: cancellation);
                Assert.Equal(expected, values);
            }
        }

        Assert.Equal([.. rows[0], "vector"], reader.Schema.Fields.Select(field => field.Name));
    }

    [Fact]
    public void Numbers_of_16_bits_are_those_of_32_rounded()
    {
        using var folder = new TempFolder();
        string[] what = ["embed", ToyModel.SamplePath, "--model", toy.Folder, "--device", "cpu", "-o"];
        ToolRun.Of([.. what, folder["x.npy"]]).Succeeds();
        ToolRun.Of([.. what, folder["h.npy"], "--output-dtype", "f16"]).Succeeds();
        ToolRun.Of([.. what, folder["h.safetensors"], "--output-dtype", "f16"]).Succeeds();
        var matrix = new Npy(folder["x.npy"]);
        byte[] half = File.ReadAllBytes(folder["h.npy"]), tensors = File.ReadAllBytes(folder["h.safetensors"]);
        Assert.Contains($"'descr': '<f2', 'fortran_order': False, 'shape': ({matrix.Rows}, 24), ", Encoding.ASCII.GetString(half, 10, 118),
            StringComparison.Ordinal);
        Assert.Contains($"\"dtype\":\"F16\",\"shape\":[{matrix.Rows},24],\"data_offsets\":[0,{2 * matrix.Values.Length}]",
            Encoding.ASCII.GetString(tensors, 8, 248), StringComparison.Ordinal);
        Assert.Equal(tensors[256..], half[128..]);
        for (int i = 0; i < matrix.Values.Length; i++)
            Assert.Equal((Half)matrix.Values[i], BinaryPrimitives.ReadHalfLittleEndian(half.AsSpan(128 + (2 * i))));
        Assert.Contains("--output-dtype f16 and -o", ToolRun.Of([.. what, folder["x.parquet"], "--output-dtype", "f16"]).Error,
            StringComparison.Ordinal);
    }
}
