using System.Text;
using Dnabert2.Weights;
using Engine.Kernels;
using Tests.Weights;

namespace Tests.Fuzz;

/// <content>Weight files.</content>
public sealed partial class FuzzTargets
{
    private static readonly byte[] Six = new byte[24];

    private FuzzTarget Weights(string format)
    {
        byte[] pickle = new Pickle().Proto().Op('}').Op('q').Raw(0).Op('(').Text("state_dict").Global("collections", "OrderedDict")
            .Op(')').Op('R').Op('(')
            .Text("a.weight").Tensor("FloatStorage", "0", 6, 0, [3, 2], [1, 3]).Text("a.bias").Tensor("FloatStorage", "1", 6, 2, [2], [2])
            .Text("tied").Tensor("FloatStorage", "0", 6, 0, [3, 2], [1, 3]).Op('u').Op('}').Text("_metadata").Op('N').Op('s').Op('b')
            .Text("epoch").Op('K').Raw(3).Text("list").Op(']').Op('(').Op('K').Raw(1).Text("x").Op('e').Op('u').Stop();
        byte[] Zip(byte[] data, bool zip64 = false) =>
            StoredZip.Make([("a/data.pkl", data), ("a/data/0", Six), ("a/data/1", Six), ("a/byteorder", "little"u8.ToArray())], zip64);
        byte[] seed = format switch
        {
            "safetensors" => Safetensors(),
            "legacy" => Pickle.Legacy(pickle, ["1", "0"], Six, Six),
            "pickle" => pickle,
            _ => Zip(pickle, format == "zip64"),
        };
        return new FuzzTarget(format, [seed], format is "pickle" or "legacy" ? Mutation.OfPickle : Mutation.OfBytes, input =>
        {
            using WeightFile file = WeightFile.Open(_folder.Write("w.bin", format == "pickle" ? Zip(input) : input));
            var text = new StringBuilder();
            foreach (WeightEntry entry in file.Entries)
            {
                Assert.InRange(entry.ByteCount, 0, Math.Max(input.Length, 64) * 8L);
                text.Append(entry).Append(Convert.ToHexString(file.Bytes(entry.Name)));
                if (entry.DType is DType.F32 or DType.F16 or DType.BF16 or DType.F64) file.Values(entry.Name);
            }

            file.SaveAsSafetensors(_folder["copy"]);
            using WeightFile copy = WeightFile.Open(_folder["copy"]);
            foreach (WeightEntry entry in copy.Entries) Assert.Equal(file.Bytes(entry.Name), copy.Bytes(entry.Name));
            return text.ToString();
        })
        { Named = "w.bin" };
    }

    private byte[] Safetensors()
    {
        WeightEntry[] entries = [
            new("a", DType.F32, new Shape(2, 3)), new("b", DType.BF16, new Shape(3)), new("c", DType.I32, new Shape(0, 4))];
        using (var writer = new SafetensorsWriter(_folder["base"], entries, new Dictionary<string, string> { ["step"] = "1" }))
        {
            writer.Write("a", Six);
            writer.Write("b", Six.AsSpan(0, 6));
            writer.Commit();
        }

        return File.ReadAllBytes(_folder["base"]);
    }
}
